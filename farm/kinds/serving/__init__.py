"""Kind serving: requests arrive at a given rate, and one network on one device serves them in batches.

    live         results of trials, whose requests arrived in real time
    simulated    response times under load, simulated over the batches of an inference sweep
    recommended  the best network and policy, chosen by the simulation

`figures` holds the figures of one load, which all three have; `columns` shows them in tables and files.
"""
