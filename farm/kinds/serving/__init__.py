"""Kind serving: requests arrive by themselves, and are served in batches by one network on one device.

    live         what trials measured: requests that came in real time
    simulated    what batches of an inference sweep would do under load: no measurement under load
    recommended  which network and policy to choose, judged by the simulation

`figures` holds what all three come to for one load, `columns` how tables and files show it.
"""
