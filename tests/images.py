"""The images' install steps without a container engine: `python -m tests.images controller FOLDER` runs them there.

They are taken from the Dockerfile, so that what was tried is what is built.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Where the images have the farm.
PREFIX = "/opt/wattfarm"


@dataclass(frozen=True)
class Dockerfile:
    """What one says, as far as it matters here."""

    arguments: dict[str, str]  #: ARG, with its default
    instructions: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, name: str) -> "Dockerfile":
        """deploy/Dockerfile.NAME."""
        lines = (ROOT / "deploy" / f"Dockerfile.{name}").read_text().replace("\\\n", " ").splitlines()
        found = [tuple(line.split(maxsplit=1)) for line in lines if line.strip() and not line.startswith("#")]
        instructions = tuple((word, rest) for word, rest in found)
        arguments = dict(rest.split("=", 1) for word, rest in instructions if word == "ARG")
        return cls(arguments, instructions)

    def all(self, word: str) -> list[str]:
        """What follows each instruction of a kind."""
        return [rest for found, rest in self.instructions if found == word]

    def copied(self) -> list[str]:
        """What is copied from the repository."""
        return [path for rest in self.all("COPY") if not rest.startswith("--") for path in rest.split()[:-1]]

    def install_steps(self, prefix: Path) -> list[str]:
        """The commands that install, with another folder for /opt/wattfarm."""
        steps = [step for step in self.all("RUN") if PREFIX in step]
        filled = [re.sub(r"\$\{(\w+)\}", lambda name: self.arguments[name[1]], step) for step in steps]
        return [step.replace(PREFIX, str(prefix)) for step in filled]


def main(name: str, folder: Path) -> None:
    """Install as the image does, from a copy of what it copies, and ask the farm for its version."""
    dockerfile, source = Dockerfile.read(name), folder / "src"
    for path in dockerfile.copied():
        copy = shutil.copytree if (ROOT / path).is_dir() else shutil.copy
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / path, source / path)
    for step in dockerfile.install_steps(folder / "venv"):
        print(f"$ {step}", flush=True)
        subprocess.run(["sh", "-c", step], cwd=source, check=True)
    subprocess.run([folder / "venv" / "bin" / "farm", "--version"], cwd=folder, check=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).absolute())
