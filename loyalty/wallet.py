"""What may happen to a wallet: each verb returns the new values and one balanced movement.

Whoever holds what, the posted award equals its target afterwards; a debt never stands beside available value.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from loyalty.accounts import (
    BREAKAGE,
    GOODWILL,
    ISSUANCE,
    Account,
    Award,
    Lot,
    Movement,
    Occasion,
    Redemption,
    Wallet,
    postings,
)
from loyalty.refusals import Refusal
from loyalty.settlement import expiry_order, settle

Shortfall: TypeAlias = Literal["debt", "goodwill", "partner"]
"""Who bears a reversal of value already spent: the member's future credits, the programme, or the partner."""


class NewLot(NamedTuple):
    """The identity and expiry of a lot about to be born."""

    id: str
    expires_at: datetime | None


def credit(
    wallet: Wallet, award: Award, units: int, *, funding: Account, occasion: Occasion, lot: NewLot | None
) -> tuple[Wallet, Award, Movement]:
    """Post a positive difference of `units`: first undo the sale's own reversals, last first, then issue.

    `lot` is where new value goes; `None` keeps it pending. Value returns to the lot it was taken from, with
    that lot's birth and expiry, as if it had never left. The first credit of a sale needs no lots loaded; an
    award that was posted before needs all lots and redemptions of the wallet.
    """
    _refuse_nothing(units)
    forgiven = min(units, award.forgiven)
    absorbed = min(units - forgiven, award.absorbed)
    left = units - forgiven - absorbed
    lots, issued = _give_to_lots(wallet.lots, award, left, lot)
    restored = issued + forgiven + absorbed > 0
    after, breakage = wallet, 0
    if issued:
        after, breakage = _settled(wallet, lots, wallet.redemptions, occasion.learned_at)
    left -= issued
    if left and lot:
        after = _with_lot(after, _born(lot, left, occasion, award))
    elif left:
        after = replace(after, pending=after.pending + left)
    posted = Award(
        *(award.sale_id, award.member_id, award.partner_id),
        units=award.units + units,
        pending=award.pending + (0 if lot else left),
        absorbed=award.absorbed - absorbed,
        forgiven=award.forgiven - forgiven,
    )
    counterparts = {funding: forgiven - units, GOODWILL: absorbed, BREAKAGE: breakage}
    movement = _movement(
        "restoration" if restored else "accrual", wallet, after, counterparts, occasion, award
    )
    return after, posted, movement


def debit(
    wallet: Wallet,
    award: Award,
    units: int,
    *,
    funding: Account,
    occasion: Occasion,
    shortfall: Shortfall = "debt",
) -> tuple[Wallet, Award, Movement]:
    """Post a negative difference of `units`, back to `funding`: pending first, then the sale's own lots.

    What its lots had already paid for falls on the lots that would have paid instead, on their breakage if
    they expired since, and last on `shortfall`. Needs all lots and redemptions of the wallet, unless the
    award is pending as a whole. Refused with `ValueError`: more than is posted.
    """
    _refuse_nothing(units)
    if units > award.units:
        raise ValueError("a reversal exceeds its award")
    from_pending = min(units, award.pending)
    from_lots = units - from_pending
    after, breakage, spent = replace(wallet, pending=wallet.pending - from_pending), 0, 0
    if from_lots:
        cuts = _cuts(after, award, from_lots)
        if shortfall != "debt":
            cuts = _without_debt(after, cuts)
            spent = from_lots - sum(cuts.values())
        after, breakage = _settled(after, _cut(after.lots, cuts), after.redemptions, occasion.learned_at)
    absorbed, forgiven = (spent, 0) if shortfall == "goodwill" else (0, spent)
    posted = replace(
        award,
        units=award.units - units,
        pending=award.pending - from_pending,
        absorbed=award.absorbed + absorbed,
        forgiven=award.forgiven + forgiven,
    )
    counterparts = {funding: units - forgiven, GOODWILL: -absorbed, BREAKAGE: breakage}
    return after, posted, _movement("reversal", wallet, after, counterparts, occasion, award)


def activate(
    wallet: Wallet, award: Award, *, occasion: Occasion, lot: NewLot
) -> tuple[Wallet, Award, Movement]:
    """Make all that is pending of an award available, as a new lot; debt is repaid first. Needs no lots."""
    _refuse_nothing(award.pending)
    waiting = replace(wallet, pending=wallet.pending - award.pending)
    after = _with_lot(waiting, _born(lot, award.pending, occasion, award))
    return after, replace(award, pending=0), _movement("activation", wallet, after, {}, occasion, award)


def expire(wallet: Wallet, occasion: Occasion) -> tuple[Wallet, Movement] | None:
    """Move what remains in lots due at `learned_at` to breakage, if anything does. Needs the due lots."""
    lots = tuple(_lapsed(lot) if lot.is_due(occasion.learned_at) else lot for lot in wallet.lots)
    units = sum(lot.remaining for lot in wallet.lots) - sum(lot.remaining for lot in lots)
    if not units:
        return None
    after = replace(wallet, available=wallet.available - units, lots=lots)
    return after, _movement("expiry", wallet, after, {BREAKAGE: units}, occasion)


def goodwill(wallet: Wallet, units: int, *, occasion: Occasion, lot: NewLot) -> tuple[Wallet, Movement]:
    """Give a member value that no sale earned, at the programme's cost. Needs no lots."""
    return _gift("goodwill", GOODWILL, wallet, units, occasion, lot)


def purchase(wallet: Wallet, units: int, *, occasion: Occasion, lot: NewLot) -> tuple[Wallet, Movement]:
    """Credit value that a member bought. Needs no lots."""
    return _gift("purchase", ISSUANCE, wallet, units, occasion, lot)


def write_off(wallet: Wallet, lot_id: str, occasion: Occasion) -> tuple[Wallet, Movement] | None:
    """Forgive the whole debt at the programme's cost; `None` when nothing is owed. Needs no lots.

    The gift is a lot that is born expired: it pays what is owed, and lapses if that turns out not to be owed.
    """
    if not wallet.debt:
        return None
    lot = NewLot(lot_id, occasion.learned_at)
    return _gift("writeoff", GOODWILL, wallet, -wallet.debt, occasion, lot)


def cash_out(
    wallet: Wallet, units: int, voucher_id: str, occasion: Occasion
) -> tuple[Wallet, Movement] | Refusal:
    """Move `units` into a voucher, live lots with the earliest expiry first. Needs all live lots.

    Refused: more than is available in lots not yet due at `learned_at`, and any redemption in debt.
    """
    _refuse_nothing(units)
    if wallet.debt:
        return Refusal("debt_outstanding")
    # Hubs' clocks differ: a redemption is never dated before the lots it uses.
    at = max([occasion.learned_at, *(lot.born_at for lot in wallet.lots if lot.remaining)])
    left, used = units, dict[str, int]()
    for lot in sorted((lot for lot in wallet.lots if not lot.is_due(at)), key=expiry_order):
        used[lot.id] = min(left, lot.remaining)
        left -= used[lot.id]
    if left:
        return Refusal("insufficient_balance")
    after = replace(
        wallet,
        available=wallet.available - units,
        lots=tuple(
            replace(lot, remaining=lot.remaining - used[lot.id]) if used.get(lot.id) else lot
            for lot in wallet.lots
        ),
        redemptions=(*wallet.redemptions, Redemption(voucher_id, at, units)),
    )
    return after, _movement("cashout", wallet, after, {Account("outstanding", voucher_id): units}, occasion)


def give_back(wallet: Wallet, units: int, voucher_id: str, occasion: Occasion) -> tuple[Wallet, Movement]:
    """Return `units` of an outstanding voucher to the wallet as if they had never left it.

    They go back to the lots they came from, into breakage where those expired since, and repay debt. Needs
    all lots and redemptions. Refused with `ValueError`: more than the voucher took.
    """
    _refuse_nothing(units)
    redeemed = {redemption.voucher_id: redemption for redemption in wallet.redemptions}
    if voucher_id not in redeemed or redeemed[voucher_id].units < units:
        raise ValueError("a voucher returns more than it took")
    redeemed[voucher_id] = replace(redeemed[voucher_id], units=redeemed[voucher_id].units - units)
    after, breakage = _settled(wallet, wallet.lots, tuple(redeemed.values()), occasion.learned_at)
    counterparts = {Account("outstanding", voucher_id): -units, BREAKAGE: breakage}
    return after, _movement("voucher_return", wallet, after, counterparts, occasion)


def buy_pack(partner_id: str, units: int, occasion: Occasion) -> Movement:
    """Return the movement that fills a partner's pack with `units` bought in advance."""
    _refuse_nothing(units)
    return Movement(
        "pack",
        postings({ISSUANCE: -units, Account("prepaid", partner_id): units}),
        *occasion,
        partner_id=partner_id,
    )


def join(wallet: Wallet, kept: Award, merged: Award) -> tuple[Wallet, Award]:
    """Add what was posted for a sale that turned out to be `kept`'s (R10); nothing moves. Needs its lots.

    Refused with `ValueError`: awards of different members or partners.
    """
    if (kept.member_id, kept.partner_id) != (merged.member_id, merged.partner_id):
        raise ValueError("only awards of one member and partner can be joined")
    moved = {lot.id: replace(lot, sale_id=kept.sale_id) for lot in _earned(wallet.lots, merged)}
    lots = tuple(moved.get(lot.id, lot) for lot in wallet.lots)
    joined = replace(
        kept,
        units=kept.units + merged.units,
        pending=kept.pending + merged.pending,
        absorbed=kept.absorbed + merged.absorbed,
        forgiven=kept.forgiven + merged.forgiven,
    )
    return replace(wallet, lots=lots), joined


def _give_to_lots(
    lots: tuple[Lot, ...], award: Award, units: int, lot: NewLot | None
) -> tuple[tuple[Lot, ...], int]:
    """Return lots grown by what was taken back from them, then by new value of equal expiry; and how much."""
    grown: dict[str, Lot] = {}
    left = units
    for each in reversed(_earned(lots, award)):
        back = min(left, each.taken_back)
        grown[each.id] = _resized(each, back)
        left -= back
    alike = [each for each in grown.values() if lot and each.expires_at == lot.expires_at]
    if left and alike:
        grown[alike[0].id] = replace(alike[0], issued=alike[0].issued + left)
        left = 0
    return tuple(grown.get(each.id, each) for each in lots), units - left


def _cuts(wallet: Wallet, award: Award, units: int) -> dict[str, int]:
    """Return by lot what to take of an award: what is available, what is in breakage, then what was redeemed."""
    own = _earned(wallet.lots, award)
    explained = sum(lot.issued for lot in own) + award.pending - award.absorbed - award.forgiven
    if explained != award.units:
        raise ValueError("the wallet was loaded without all lots of this award")
    left, cuts = units, dict.fromkeys((lot.id for lot in own), 0)
    for room in ("remaining", "expired", "issued"):
        for lot in own:
            part = min(left, getattr(lot, room), lot.issued - cuts[lot.id])
            cuts[lot.id] += part
            left -= part
    return cuts


def _without_debt(wallet: Wallet, cuts: Mapping[str, int]) -> dict[str, int]:
    """Return the part of `cuts` that leaves the debt as it is.

    Lot by lot, for others may pay for what one had paid and none for what another had. A lot that was born
    expired pays a debt and no redemption: to take less may thus owe as much, hence we look again.
    """
    harmless: dict[str, int] = {}
    for lot_id, units in cuts.items():
        harmless[lot_id] = units
        while harmless[lot_id]:
            grown = settle(_cut(wallet.lots, harmless), wallet.redemptions).owed + wallet.debt
            if grown <= 0:
                break
            harmless[lot_id] = max(0, harmless[lot_id] - grown)
    return harmless


def _cut(lots: tuple[Lot, ...], cuts: Mapping[str, int]) -> tuple[Lot, ...]:
    return tuple(_resized(lot, -cuts.get(lot.id, 0)) for lot in lots)


def _settled(
    wallet: Wallet, lots: tuple[Lot, ...], redemptions: tuple[Redemption, ...], at: datetime
) -> tuple[Wallet, int]:
    """Return the wallet that follows from resized lots or redemptions, and the units that breakage gained."""
    paid = sum(lot.issued - lot.remaining - lot.expired for lot in wallet.lots)
    if paid - wallet.debt != sum(redemption.units for redemption in wallet.redemptions):
        raise ValueError("the wallet was loaded without all its lots and redemptions")
    unused, owed = settle(lots, redemptions)
    settled = tuple(_holding(lot, unused[lot.id], at) for lot in lots)
    gained = sum(lot.remaining for lot in settled) - sum(lot.remaining for lot in wallet.lots)
    breakage = sum(lot.expired for lot in settled) - sum(lot.expired for lot in wallet.lots)
    after = replace(
        wallet, available=wallet.available + gained, debt=-owed, lots=settled, redemptions=redemptions
    )
    return after, breakage


def _holding(lot: Lot, unused: int, at: datetime) -> Lot:
    """Place what no redemption used: in breakage once the lot is due, even before `expire` came by."""
    remaining, expired = (0, unused) if lot.expired or lot.is_due(at) else (unused, 0)
    if (remaining, expired) == (lot.remaining, lot.expired):
        return lot
    return replace(lot, remaining=remaining, expired=expired)


def _resized(lot: Lot, units: int) -> Lot:
    if not units:
        return lot
    return replace(lot, issued=lot.issued + units, taken_back=lot.taken_back - units)


def _lapsed(lot: Lot) -> Lot:
    if not lot.remaining:
        return lot
    return replace(lot, remaining=0, expired=lot.expired + lot.remaining)


def _earned(lots: tuple[Lot, ...], award: Award) -> list[Lot]:
    """Return the lots that one award gave, oldest first."""
    own = [lot for lot in lots if (lot.sale_id, lot.partner_id) == (award.sale_id, award.partner_id)]
    return sorted(own, key=lambda lot: (lot.born_at, lot.id))


def _born(lot: NewLot, units: int, occasion: Occasion, award: Award | None = None) -> Lot:
    """Return a new lot. It is born when we learn of it: a redemption before that could not have used it."""
    sale_id, partner_id = (award.sale_id, award.partner_id) if award else (None, None)
    return Lot(lot.id, sale_id, partner_id, occasion.learned_at, lot.expires_at, units, units)


def _with_lot(wallet: Wallet, lot: Lot) -> Wallet:
    """Add a lot that repays debt first; only the rest becomes available."""
    repaid = min(-wallet.debt, lot.issued)
    kept = replace(lot, remaining=lot.issued - repaid) if repaid else lot
    return Wallet(  # spelt out: the hot path runs here, and `replace` costs three times as much
        wallet.member_id,
        wallet.pending,
        wallet.available + kept.remaining,
        wallet.reserved,
        wallet.debt + repaid,
        (*wallet.lots, kept),
        wallet.redemptions,
    )


def _gift(
    kind: str, source: Account, wallet: Wallet, units: int, occasion: Occasion, lot: NewLot
) -> tuple[Wallet, Movement]:
    _refuse_nothing(units)
    after = _with_lot(wallet, _born(lot, units, occasion))
    return after, _movement(kind, wallet, after, {source: -units}, occasion)


def _movement(
    kind: str,
    before: Wallet,
    after: Wallet,
    counterparts: dict[Account, int],
    occasion: Occasion,
    award: Award | None = None,
) -> Movement:
    """Return the movement that leads from one wallet to the other, against `counterparts`."""
    member_id = before.member_id
    changes = {
        Account("pending", member_id): after.pending - before.pending,
        Account("available", member_id): after.available - before.available,
        Account("debt", member_id): after.debt - before.debt,
        **counterparts,
    }
    sale_id, partner_id = (award.sale_id, award.partner_id) if award else (None, None)
    return Movement(kind, postings(changes), *occasion, sale_id, member_id, partner_id)


def _refuse_nothing(units: int) -> None:
    if units <= 0:
        raise ValueError("a movement needs at least one unit")
