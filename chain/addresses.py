"""Addresses in checksum case (EIP-55)."""

from functools import lru_cache

from eth_utils.address import to_checksum_address

# A hash, and slow text handling around it, of addresses that come again: a page of batches alone has hundreds.
checksummed = lru_cache(1 << 16)(to_checksum_address)
