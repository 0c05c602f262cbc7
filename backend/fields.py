"""How chain values look in requests and responses: addresses in checksum case, bytes as 0x-hex, amounts as digits."""

from typing import Annotated, Any

from eth_typing import ChecksumAddress
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from chain.addresses import checksummed

MAX_INTEGER = 2**53 - 1  # what every JSON parser and every database column holds exactly
MAX_TIMESTAMP = 2**48 - 1  # what the contracts hold


def _address(value: Any) -> ChecksumAddress:
    if not isinstance(value, str) or len(value) != 42 or not value.startswith("0x"):
        raise ValueError("an address is 0x and 40 hexadecimal digits")
    try:
        return checksummed(value)
    except ValueError:
        raise ValueError("an address is 0x and 40 hexadecimal digits") from None


def _bytes_of(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str) or not value.startswith("0x") or not value.isascii() or " " in value:
        raise ValueError("bytes are 0x and hexadecimal digits")
    try:
        return bytes.fromhex(value[2:])
    except ValueError:
        raise ValueError("bytes are 0x and hexadecimal digits") from None


def _hash_of(value: Any) -> bytes:
    data = _bytes_of(value)
    if len(data) != 32:
        raise ValueError("a hash is 0x and 64 hexadecimal digits")
    return data


def _whole_number(value: Any) -> int:
    """JSON has one type of number: 3.0 is as good as 3. Text and truth values are not numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise ValueError("this must be a whole number")


def hex_of(data: bytes) -> str:
    """0x-hex."""
    return "0x" + data.hex()


Address = Annotated[
    ChecksumAddress,
    BeforeValidator(_address),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^0x[0-9a-fA-F]{40}$",
            "examples": ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"],
        }
    ),
]
Hash = Annotated[
    bytes,
    BeforeValidator(_hash_of),
    PlainSerializer(hex_of, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$", "examples": ["0x" + "5a" * 32]}),
]
HexBytes = Annotated[
    bytes,
    BeforeValidator(_bytes_of),
    PlainSerializer(hex_of, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$", "examples": ["0x00ff"]}),
]
Amount = Annotated[
    int,
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]+$", "examples": ["1000000000000000000"]}),
]
Count = Annotated[
    int,
    BeforeValidator(_whole_number),
    Field(ge=0, le=MAX_INTEGER),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MAX_INTEGER, "examples": [1]}),
]
Timestamp = Annotated[
    int,
    BeforeValidator(_whole_number),
    Field(ge=0, le=MAX_TIMESTAMP),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MAX_TIMESTAMP, "examples": [1_800_000_000]}),
]


class Body(BaseModel):
    """A request body: members that it does not name are refused, so that a typing error is not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Document(BaseModel):
    """A response body."""

    model_config = ConfigDict(frozen=True)
