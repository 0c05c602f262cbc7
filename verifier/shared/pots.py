"""What nobody claimed in time of the pots of a job's batches."""

from chain.calls import reading
from chain.network import Network
from chain.sender import TransactionSender


def return_pots(network: Network, sender: TransactionSender, job_id: int) -> int:
    """Return to the job what is left of pots whose time to claim is over; how much, in the token's smallest unit.

    Anybody may. Raises ChainUnavailableError, and what `TransactionSender.send` raises.
    """
    with reading():
        filled = network.escrow.events.PotFilled().get_logs(
            from_block=network.deployment.block, argument_filters={"jobId": job_id}
        )
        now = network.web3.eth.get_block("latest")["timestamp"]
    returned = 0
    for log in filled:
        with reading():
            _, left, until, _ = network.escrow.functions.potOf(log["args"]["batchId"]).call()
        if left and until <= now:
            sender.send(network.escrow.functions.returnPot(log["args"]["batchId"]))
            returned += left
    return returned
