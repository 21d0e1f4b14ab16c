"""Cut a part out of a TFLite file: the operators between one tensor and some others.

OpenVINO reads a whole file or none of it, and has no translation for the custom operators of the
attention mesh. The parts between those operators are ordinary; this module makes a file of each by
overwriting the lists of inputs, outputs and operators in place. Field numbers: TensorFlow Lite's
``schema.fbs``, version 3.
"""

import struct
from collections.abc import Sequence

from runtime.errors import CheckpointError

_MODEL_OPERATOR_CODES, _MODEL_SUBGRAPHS = 1, 2
_SUBGRAPH_TENSORS, _SUBGRAPH_INPUTS, _SUBGRAPH_OUTPUTS, _SUBGRAPH_OPERATORS = 0, 1, 2, 3
_OPERATOR_CODE, _OPERATOR_INPUTS, _OPERATOR_OUTPUTS = 0, 1, 2
_CODE_CUSTOM_NAME = 1
_TENSOR_NAME = 3


class TfliteFile:
    """A TFLite model's first subgraph, with its operators and tensors by number.

    Attributes:
        tensors: Number of each tensor by its name.
    """

    def __init__(self, content: bytes) -> None:
        """Index the file.

        Args:
            content: The whole file.

        Raises:
            CheckpointError: It is no TFLite file.
        """
        self._bytes = content
        try:
            self._index()
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            raise CheckpointError(f"not a TFLite file: {error}") from error

    def cut(self, start: str, ends: Sequence[str]) -> bytes:
        """Give a file that computes the tensors ``ends`` from the tensor ``start``.

        Args:
            start: Name of the only input; the result has no custom operator before it.
            ends: Names of the outputs.

        Raises:
            CheckpointError: A name is unknown, or a custom operator lies between.
        """
        for name in (start, *ends):
            if name not in self.tensors:
                raise CheckpointError(f"the TFLite file has no tensor {name}")
        first, last = self.tensors[start], [self.tensors[name] for name in ends]
        needed = sorted(self._between(first, last))
        customs = [self._customs[index] for index in needed if self._customs[index]]
        if customs:
            raise CheckpointError(f"custom operator {customs[0]} lies between {start} and {ends}")
        cut = bytearray(self._bytes)
        _write_list(cut, self._list_at(_SUBGRAPH_INPUTS), [first])
        _write_list(cut, self._list_at(_SUBGRAPH_OUTPUTS), last)
        # Operators are stored as distances from their own place in the list.
        operators = self._list_at(_SUBGRAPH_OPERATORS)
        places = [
            self._operators[index] - (operators + 4 + 4 * slot) for slot, index in enumerate(needed)
        ]
        _write_list(cut, operators, places)
        return bytes(cut)

    def custom_input(self, end: str, operator: str) -> str:
        """Give the output of the custom operator that ``end`` is computed from.

        Args:
            end: Name of a tensor.
            operator: Name of the custom operator nearest before it.

        Raises:
            CheckpointError: There is no such operator.
        """
        pending, seen = [self.tensors[end]], set[int]()
        while pending:
            index = self._producers.get(pending.pop())
            if index is None or index in seen:
                continue
            seen.add(index)
            inputs, outputs = self._edges[index]
            if self._customs[index] == operator:
                return next(n for n, number in self.tensors.items() if number == outputs[0])
            pending += inputs
        raise CheckpointError(f"no operator {operator} before {end} in the TFLite file")

    def _index(self) -> None:
        root = self._follow(0)
        codes = [
            self._name(code, _CODE_CUSTOM_NAME)
            for code in self._tables(self._field(root, _MODEL_OPERATOR_CODES))
        ]
        self._subgraph = self._tables(self._field(root, _MODEL_SUBGRAPHS))[0]
        tensors = self._tables(self._field(self._subgraph, _SUBGRAPH_TENSORS))
        self.tensors = {self._name(place, _TENSOR_NAME): i for i, place in enumerate(tensors)}
        self._operators = self._tables(self._field(self._subgraph, _SUBGRAPH_OPERATORS))
        self._customs = [codes[self._code_index(place)] for place in self._operators]
        self._edges = [
            (self._numbers(place, _OPERATOR_INPUTS), self._numbers(place, _OPERATOR_OUTPUTS))
            for place in self._operators
        ]
        self._producers = {
            tensor: index for index, (_, made) in enumerate(self._edges) for tensor in made
        }

    def _between(self, first: int, last: Sequence[int]) -> set[int]:
        needed: set[int] = set()
        pending = list(last)
        while pending:
            tensor = pending.pop()
            index = self._producers.get(tensor)
            if tensor == first or index is None or index in needed:
                continue
            needed.add(index)
            pending += self._edges[index][0]
        return needed

    def _unsigned(self, place: int) -> int:
        return int(struct.unpack_from("<I", self._bytes, place)[0])

    def _follow(self, place: int) -> int:
        return place + self._unsigned(place)

    def _field(self, table: int, number: int) -> int:
        """Give the place of a table's field, 0 when it has its default."""
        layout = table - int(struct.unpack_from("<i", self._bytes, table)[0])
        size = int(struct.unpack_from("<H", self._bytes, layout)[0])
        slot = 4 + 2 * number
        if slot >= size:
            return 0
        offset = int(struct.unpack_from("<H", self._bytes, layout + slot)[0])
        return table + offset if offset else 0

    def _list_at(self, number: int) -> int:
        return self._follow(self._field(self._subgraph, number))

    def _tables(self, field: int) -> list[int]:
        start = self._follow(field)
        return [self._follow(start + 4 + 4 * i) for i in range(self._unsigned(start))]

    def _numbers(self, table: int, number: int) -> list[int]:
        field = self._field(table, number)
        if not field:
            return []
        start = self._follow(field)
        return list(struct.unpack_from(f"<{self._unsigned(start)}i", self._bytes, start + 4))

    def _name(self, table: int, number: int) -> str:
        field = self._field(table, number)
        if not field:
            return ""
        start = self._follow(field)
        return self._bytes[start + 4 : start + 4 + self._unsigned(start)].decode()

    def _code_index(self, operator: int) -> int:
        field = self._field(operator, _OPERATOR_CODE)
        return self._unsigned(field) if field else 0


def _write_list(content: bytearray, place: int, values: Sequence[int]) -> None:
    if len(values) > struct.unpack_from("<I", content, place)[0]:
        raise CheckpointError("the cut has more ends than the TFLite file has room for")
    struct.pack_into(f"<I{len(values)}i", content, place, len(values), *values)
