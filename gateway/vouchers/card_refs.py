"""What a store calls a card: our id and our signature over it, so that no card can be named by guessing.

Ids follow one another within a millisecond; whoever was told one may not try its neighbours.
"""

import hmac
from dataclasses import replace
from typing import Final, TypeVar

from contracts.checkout import Answer, Card, Cards, Debited, Debits, FindCards, OpenCard, Question
from gateway.privacy import ProgrammeKeys

_SIZE: Final = 24

Named = TypeVar("Named", Card, Debited)


def opened(keys: ProgrammeKeys, question: Question) -> Question | None:
    """Return a question about the id behind its card's reference, `None` if that is none of ours."""
    if isinstance(question, FindCards | OpenCard):
        return question
    card_id, _, signature = question.card_ref.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(keys, card_id).encode()):
        return None
    return replace(question, card_ref=card_id)


def sealed(keys: ProgrammeKeys, answer: Answer) -> Answer:
    """Return an answer in which every card bears its reference."""
    match answer:
        case Card():
            return _named(keys, answer)
        case Debited():
            return _named(keys, answer)
        case Cards():
            return replace(answer, cards=tuple(_named(keys, card) for card in answer.cards))
        case Debits():
            return replace(answer, debits=tuple(_named(keys, debit) for debit in answer.debits))
        case _:
            return answer


def _named(keys: ProgrammeKeys, answer: Named) -> Named:
    return replace(answer, card_ref=f"{answer.card_ref}.{_signature(keys, answer.card_ref)}")


def _signature(keys: ProgrammeKeys, card_id: str) -> str:
    return keys.content_hash(f"card/{card_id}".encode())[:_SIZE]
