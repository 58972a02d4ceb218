"""The fingerprint algorithms word by word, as slow and as plain as can be."""

import math
import struct

SILENCE = 627964279


def decode(data: bytes) -> list[int] | None:
    """Return the words of a compressed fingerprint, None if it isn't one."""
    if len(data) < 4:
        return None
    codes = read_normal_codes(data[4:], int.from_bytes(data[1:4], "big"))
    if codes is None:
        return None
    rest = data[4 + math.ceil(len(codes) * 3 / 8) :]
    exceptions = iter(_split(rest, 5))
    if codes.count(7) > len(rest) * 8 // 5:
        return None
    return _words([code + next(exceptions) if code == 7 else code for code in codes])


def read_normal_codes(body: bytes, count: int) -> list[int] | None:
    """Return the 3-bit codes up to the terminator of the last word."""
    codes: list[int] = []
    left = count
    for code in _split(body, 3):
        if left == 0:
            break
        codes.append(code)
        left -= code == 0
    return codes if left == 0 else None


def _split(data: bytes, width: int) -> list[int]:
    bits = "".join(f"{byte:08b}"[::-1] for byte in data)
    return [
        int(bits[at : at + width][::-1], 2) for at in range(0, len(bits) // width * width, width)
    ]


def _words(distances: list[int]) -> list[int] | None:
    words = []
    word = bit = last = 0
    for distance in distances:
        if distance == 0:
            last ^= word
            words.append(last)
            word = bit = 0
            continue
        bit += distance
        if bit > 32:
            return None
        word |= 1 << (bit - 1)
    return words


def encode(words: list[int], version: int) -> bytes:
    """Return the compressed form of the words."""
    normal = []
    exceptions = []
    last = 0
    for word in words:
        before = 0
        for bit in range(1, 33):
            if (word ^ last) >> (bit - 1) & 1:
                distance = bit - before
                normal.append(min(distance, 7))
                if distance >= 7:
                    exceptions.append(distance - 7)
                before = bit
        normal.append(0)
        last = word
    header = bytes([version]) + len(words).to_bytes(3, "big")
    return header + _join(normal, 3) + _join(exceptions, 5)


def _join(codes: list[int], width: int) -> bytes:
    number = sum(code << (width * place) for place, code in enumerate(codes))
    return number.to_bytes(math.ceil(len(codes) * width / 8), "little")


def simhash(words: list[int]) -> int:
    """Return the word whose bits are those of most words."""
    return sum(
        1 << bit for bit in range(32) if sum(word >> bit & 1 for word in words) > len(words) // 2
    )


def extract_query(words: list[int]) -> list[int]:
    """Return the query terms."""
    clean = sum(word != SILENCE for word in words)
    terms: list[int] = []
    for word in words[max(0, min(clean - 120, 80)) :]:
        if len(terms) == 120:
            break
        if word != SILENCE and word & 0xFFFFFFF0 not in terms:
            terms.append(word & 0xFFFFFFF0)
    return terms


def compare2(a: list[int], b: list[int], max_offset: int) -> float:
    """Return the score, with the tables and their quirks as the C code has them."""
    a_offsets, b_offsets = _offsets(a), _offsets(b)
    votes, offset = _best_offset(a_offsets, b_offsets, max_offset)
    shorter = min(len(a), len(b)) & ~1
    a, b = a[max(offset, 0) :], b[max(-offset, 0) :]
    pairs = min(len(a), len(b)) // 2
    if not votes or not pairs or not shorter:
        return 0.0
    # The flags "seen" lie in the bytes of a's table; the last one is never cleared.
    seen = bytearray(struct.pack("<16384H", *a_offsets)[:16384])
    unique_a, unique_b = _count_unique(a, seen), _count_unique(b, seen)
    if votes < max(unique_a, unique_b) * 0.02:
        return 0.0
    diversity = min(_diversity(unique_a, len(a)), _diversity(unique_b, len(b)))
    errors = sum((x ^ y).bit_count() for x, y in zip(a[: 2 * pairs], b, strict=False))
    score = pairs * 2 / shorter * (1 - 2 * errors / (64 * pairs))
    score = _single(max(score, 0.0))
    return _single(score ** (8 - 7 * diversity)) if diversity < 1 else score


def _offsets(words: list[int]) -> list[int]:
    offsets = [0] * 16384
    for place, word in enumerate(words):
        offsets[word >> 18] = place & 0xFFFF
    return offsets


def _best_offset(a: list[int], b: list[int], max_offset: int) -> tuple[int, int]:
    counts: dict[int, int] = {}
    best = (0, 0)
    for key in range(16383):
        offset = a[key] - b[key]
        if a[key] and b[key] and (max_offset == 0 or abs(offset) <= max_offset):
            counts[offset] = counts.get(offset, 0) + 1
            if counts[offset] > best[0]:
                best = (counts[offset], offset)
    return best


def _count_unique(words: list[int], seen: bytearray) -> int:
    seen[:16383] = bytes(16383)
    unique = 0
    for word in words:
        unique += not seen[word >> 18]
        seen[word >> 18] = 1
    return unique


def _diversity(unique: int, length: int) -> float:
    return min(_single(_single((unique + 10) / length) + 0.5), 1.0)


def _single(number: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", number))[0])
