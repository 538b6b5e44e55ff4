"""Settings from the environment (FARM_*) and from `farm.toml` in FARM_HOME; the environment wins."""

import getpass
import os
import re
import reprlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from farm.model import MACHINE_NAME, CarbonSource
from farm.model.catalog import COUNTRIES
from farm.model.errors import InputError
from farm.settings import origins
from farm.settings.credentials import read_secret, with_password
from farm.settings.reading import as_path


def _path(given: Any) -> Any:
    try:
        return as_path(given) if isinstance(given, str) else given
    except InputError as error:
        raise PydanticCustomError("path", "{reason}", {"reason": str(error)}) from None


UserPath = Annotated[Path, BeforeValidator(_path)]
#: A length of time that clocks, selects and databases can add to their own.
Seconds = Annotated[float, Field(gt=0, le=366 * 86_400)]
#: Settings that may contain a password or a token.
_HIDDEN = re.compile("SECRET|TOKEN|URL|CARBON_NOW")
#: The folder that deploy/wattfarm.conf makes; only root may make one there.
LOCKS = Path("/run/wattfarm")
#: Settings that are URLs of services.
_SERVICES = ("broker", "database")


def _user() -> str:
    """Return the name of the user of this process; in a container that may be a number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _lock_file() -> Path:
    """Return the lock file of this machine; a folder of its own admits one group, whose members share the machine."""
    return LOCKS / "machine.lock" if LOCKS.is_dir() else Path("/tmp/wattfarm.lock")  # noqa: S108 - TMPDIR may be a user's own


def _powercap_root(known: dict[str, Any]) -> Path:
    simulator: Path | None = known.get("simulator")
    simulated = simulator / "powercap" / "class" if simulator else None
    is_there = simulated is not None and os.path.isdir(simulated)  # noqa: PTH112 - Path.is_dir raises for long names
    return simulated if simulated and is_there else Path("/sys/class/powercap")


class _WithUrlFiles(PydanticBaseSettingsSource):
    """A source of settings in which a URL may be in a file; the order of sources stays the same."""

    def __init__(self, source: PydanticBaseSettingsSource) -> None:
        super().__init__(source.settings_cls)
        self._source = source

    def __call__(self) -> dict[str, Any]:
        found = self._source()
        for service in _SERVICES:
            file = found.get(f"{service}_url_file")
            if file and f"{service}_url" not in found:
                found[f"{service}_url"] = read_secret(f"FARM_{service.upper()}_URL_FILE", str(file))
        return found

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._source.get_field_value(field, field_name)


class Settings(BaseSettings):
    """The settings of an installation."""

    model_config = SettingsConfigDict(
        env_prefix="FARM_", env_ignore_empty=True, frozen=True, extra="ignore", allow_inf_nan=False
    )

    home: UserPath = Field(default_factory=origins.default_home, description="folder of the embedded farm's files")
    broker_url: str = Field(
        "filesystem://", repr=False, description="redis://host:6379/0, rediss:// over TLS, or filesystem:// under home"
    )
    broker_url_file: UserPath | None = Field(None, description="a file that holds the broker's URL instead")
    broker_password_file: UserPath | None = Field(None, description="a file that holds the password that its URL lacks")
    database_url: str = Field(
        "", repr=False, description="postgresql://user@host/farm, or sqlite:///path; default home/farm.db"
    )
    database_url_file: UserPath | None = Field(None, description="a file that holds the database's URL instead")
    database_password_file: UserPath | None = Field(
        None, description="a file that holds the password that its URL lacks"
    )
    lease_s: Seconds = Field(60.0, description="a worker without a heartbeat for so many seconds loses its job")
    heartbeat_s: Seconds = Field(
        5.0,
        validate_default=True,
        description="seconds between two heartbeats, which renew the lease and bring a cancel",
    )
    grace_s: Seconds = Field(
        60.0, description="a job whose queue has been empty for so many seconds is published again"
    )
    max_attempts: int = Field(3, ge=1, le=1000, description="a job whose worker died so often fails")
    simulator: UserPath | None = Field(
        None, description="folder of a running simulation: its meters are read, and results are marked simulated"
    )
    powercap_root: UserPath = Field(default_factory=_powercap_root, description="root of the RAPL tree")
    cpu_tdp_w: float | None = Field(
        None,
        gt=0,
        le=1e5,
        description="rated power in W of all processors of this machine, from which the model follows where nothing "
        "measures the CPU; default codecarbon's table, or its guess",
    )
    lock_file: UserPath = Field(
        default_factory=_lock_file,
        description="the lock file that allows one trial at a time on a machine; default machine.lock in /run/wattfarm "
        "where the administrator made that folder, otherwise wattfarm.lock in /tmp, which any user may hold",
    )
    gpu: str = Field(
        "", description="the GPU to measure on, by its index or UUID in nvidia-smi; default all that CUDA sees"
    )
    allow_models: str = Field(
        "", description="patterns of users' networks that a worker may load: my_package.*, separated by commas"
    )
    allow_commands: str = Field(
        "", description="patterns of command lines that a worker may run: python train.py*, one on each line"
    )
    import_from: UserPath | None = Field(
        None, description="folder with modules of such networks that are not installed; farm run takes the sweep's"
    )
    watchdog_s: Seconds = Field(
        300.0, description="a worker that receives nothing for so many seconds while messages wait ends itself"
    )
    wall_url: str = Field(
        "", description="the wall meter: a Prometheus server, http://host:9090, or an address that answers in JSON"
    )
    wall_query: str = Field(
        "", description="a PromQL query that returns one series; of a plain metric name the time of the scrape is used"
    )
    wall_path: str = Field(
        "", description="the path of the number in the JSON: apower, aenergy.total, psu.0.w + psu.1.w"
    )
    wall_unit: Literal["W", "kW", "J", "Wh", "kWh"] = Field(
        "W", description="unit of that number: power (W, kW) is sampled, energy (J, Wh, kWh) is counted by the meter"
    )
    wall_period_s: float = Field(
        1.0, ge=0.1, le=3600, description="seconds between two requests to the wall meter; for power at most 2"
    )
    wall_timeout_s: float = Field(
        2.0, gt=0, le=3600, description="longest wait for an answer of the wall meter, in seconds"
    )
    wall_accuracy: float | None = Field(
        None, gt=0, lt=1, description="accuracy that the wall meter's maker states, as a share: 0.01 for 1 %"
    )
    wall_secret: SecretStr = Field(
        SecretStr(""), description="bearer token of the wall meter, or the password where its URL names a user"
    )
    wall_secret_file: UserPath | None = Field(None, description="a file that holds the wall meter's secret instead")
    carbon_country: str = Field(
        "", description="country of this machine's electricity, ISO 3166 alpha-3 such as NLD; default the sweep's"
    )
    carbon_g_per_kwh: float | None = Field(
        None, ge=0, le=1e5, description="carbon intensity of this machine's electricity, in grams of CO2e per kWh"
    )
    carbon_file: UserPath | None = Field(
        None, description="CSV file of its hourly intensities, as electricityMaps exports them"
    )
    carbon_pue: float | None = Field(
        None,
        ge=1,
        le=100,
        description="power usage effectiveness of this machine's building; default the sweep's, or 1",
    )
    carbon_now: str = Field(
        "",
        description="the intensity now, for `farm submit --when`: such a CSV file, or an http(s) address that answers "
        "in JSON as electricityMaps' /v3/carbon-intensity/latest does",
    )
    carbon_now_token: SecretStr = Field(SecretStr(""), description="token that is sent to it as header auth-token")
    log_format: Literal["text", "json"] = Field(
        "text", description="logs of controller and worker: text for people, or one JSON object a line"
    )
    task_events: bool = Field(False, description="workers send Celery's task events, for Flower")
    metrics: str = Field("", description="[HOST:]PORT on which `farm serve` answers Prometheus; default none")
    submitter: str = Field(
        default_factory=_user, description="name of the submitter: submitters take turns on the farm"
    )
    machine_name: str = Field("", description="this machine's name in the farm; default its host name")
    probe: bool = Field(True, description="probe the meters of a GPU for half a minute when a worker first uses it")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments first, then the environment, then FARM_HOME/farm.toml."""
        file = InitSettingsSource(settings_cls, origins.read_file())
        return init_settings, _WithUrlFiles(env_settings), _WithUrlFiles(file)

    @model_validator(mode="before")
    @classmethod
    def _take_passwords(cls, given: dict[str, Any]) -> dict[str, Any]:
        for service in _SERVICES:
            url, file = given.get(f"{service}_url"), given.get(f"{service}_password_file")
            if url and file:
                password = read_secret(f"FARM_{service.upper()}_PASSWORD_FILE", str(file))
                given = given | {f"{service}_url": with_password(url, password)}
        return given

    @field_validator("heartbeat_s")
    @classmethod
    def _keeps_the_lease(cls, heartbeat_s: float, info: ValidationInfo) -> float:
        lease_s: float | None = info.data.get("lease_s")
        if lease_s is not None and heartbeat_s > lease_s / 2:  # otherwise one late heartbeat loses the job
            raise PydanticCustomError(
                "heartbeat", "Input should be at most half of FARM_LEASE_S ({lease_s} s)", {"lease_s": f"{lease_s:g}"}
            )
        return heartbeat_s

    @field_validator("machine_name")
    @classmethod
    def _can_be_a_target(cls, name: str) -> str:
        if name and not re.fullmatch(MACHINE_NAME, name):
            raise PydanticCustomError("name", "Input should be at most 63 letters, digits, '.', '-' and '_'")
        return name

    @field_validator("submitter")
    @classmethod
    def _can_be_shown(cls, name: str) -> str:
        if len(name) > 200 or not name.isprintable():
            raise PydanticCustomError("name", "Input should be at most 200 printable characters")
        return name

    @field_validator("carbon_country")
    @classmethod
    def _is_known(cls, country: str) -> str:
        if country and country.upper() not in COUNTRIES:
            raise PydanticCustomError("country", "Input should be the ISO 3166 alpha-3 code of a country such as NLD")
        return country.upper()

    @field_validator("carbon_g_per_kwh", "carbon_file")
    @classmethod
    def _is_the_only_origin(cls, origin: Any, info: ValidationInfo) -> Any:
        before = [name for name in ("carbon_country", "carbon_g_per_kwh") if info.data.get(name) not in (None, "")]
        if origin is not None and before:
            text = "Input should be left out, because FARM_{before} is set"
            raise PydanticCustomError("carbon", text, {"before": before[0].upper()})
        return origin

    @property
    def carbon(self) -> CarbonSource:
        """What this machine states about its electricity."""
        return CarbonSource(
            country=self.carbon_country or None,
            g_per_kwh=self.carbon_g_per_kwh,
            file=str(self.carbon_file.expanduser().absolute()) if self.carbon_file else None,
            pue=self.carbon_pue,
        )

    @property
    def store_url(self) -> str:
        """The database's URL with the default filled in."""
        return self.database_url or f"sqlite:///{self.home / 'farm.db'}"

    @property
    def silent_s(self) -> float:
        """The seconds without a heartbeat after which a machine is silent."""
        return self.idle_heartbeat_s + 2 * self.heartbeat_s

    @property
    def idle_heartbeat_s(self) -> float:
        """The seconds between two heartbeats of an idle worker: it holds no lease, and its machine is being compared.

        They keep its machine present for the controller.
        """
        return max(self.heartbeat_s, min(3 * self.heartbeat_s, 15.0))

    @property
    def allowed_models(self) -> tuple[str, ...]:
        """The patterns of the allow-list."""
        return tuple(pattern.strip() for pattern in self.allow_models.split(",") if pattern.strip())

    @property
    def allowed_commands(self) -> tuple[str, ...]:
        """The patterns of command lines that may run."""
        return tuple(pattern.strip() for pattern in self.allow_commands.splitlines() if pattern.strip())

    @property
    def simulated(self) -> bool:
        """Whether the meters are a simulation."""
        return self.simulator is not None

    @property
    def is_embedded(self) -> bool:
        """Whether the broker is a folder of this machine."""
        return self.broker_url.startswith("filesystem:")


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; raises InputError, which names the variable, or the file and its key, that is wrong."""
    origins.refuse_unknown(Settings.model_fields)
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = origins.variable("_".join(str(part) for part in first["loc"]))
        got = "something else" if _HIDDEN.search(name) else reprlib.repr(first["input"])
        raise InputError(origins.named(f"{name}: {first['msg']}, got {got}")) from None
    except InputError as error:  # a file with a secret cannot be read
        raise InputError(origins.named(str(error))) from None
