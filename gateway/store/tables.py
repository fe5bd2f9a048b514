"""Every table on one page; each column says why it is kept and for how long.

`programme_id` leads every primary, unique and foreign key; amounts are whole centavos or whole units.
"""

from sqlalchemy import BigInteger, Boolean, Index, Integer, LargeBinary, Text, UniqueConstraint

from gateway.store.columns import RETENTIONS, Day, Instant, col, metadata, table

__all__ = ["RETENTIONS", "metadata"]

programme = table(
    "programme", (),
    col("name", Text, "shown to people", "programme"),
    col("unit", Text, "points or cashback, fixed at activation", "programme"),
    col("mode", Text, "proprietary or coalition, fixed at activation", "programme"),
    col("zone", Text, "local days of the programme", "programme"),
    col("active", Boolean, "whether sales earn", "programme"),
    col("policy", Text, "limits and windows (JSON)", "programme"),
    col("key_wrapped", LargeBinary, "programme key under the master key", "credential"),
    col("created_at", Instant, "history", "programme"),
    col("version", BigInteger, "changes with every setting; ETag", "programme"),
)
partner = table(
    "partner", ("partner_id",),
    col("partner_id", Text, "identity", "programme"),
    col("name", Text, "shown to people", "programme"),
    col("cnpj", Text, "company registration, public", "programme", null=True),
    col("funding", Text, "issuance or prepaid pack", "programme"),
    col("created_at", Instant, "history", "programme"),
    col("version", BigInteger, "ETag", "programme"),
)
rate = table(
    "rate", ("partner_id", "valid_from", "recorded_at"),
    col("partner_id", Text, "whose rate", "programme"),
    col("rate_micro", BigInteger, "units per R$ 1 in millionths", "programme"),
    col("valid_from", Instant, "validity", "programme"),
    col("valid_until", Instant, "validity", "programme", null=True),
    col("recorded_at", Instant, "append-only history", "programme"),
)
category = table(
    "category", ("category_id", "valid_from", "recorded_at"),
    col("category_id", Text, "identity", "programme"),
    col("name", Text, "shown to people", "programme"),
    col("multiplier_milli", BigInteger, "factor in thousandths", "programme"),
    col("valid_days", Integer, "validity of what is earned", "programme", null=True),
    col("valid_from", Instant, "validity", "programme"),
    col("recorded_at", Instant, "append-only history", "programme"),
)
campaign = table(
    "campaign", ("campaign_id",),
    col("campaign_id", Text, "identity", "programme"),
    col("partner_id", Text, "only this partner", "programme", null=True),
    col("name", Text, "shown to people", "programme"),
    col("multiplier_milli", BigInteger, "factor in thousandths", "programme"),
    col("starts_at", Instant, "schedule", "programme"),
    col("ends_at", Instant, "schedule", "programme"),
    col("min_sale_cents", BigInteger, "minimum of a sale", "programme"),
    col("max_extra_units", BigInteger, "cap of what it adds", "programme", null=True),
    col("recorded_at", Instant, "append-only history", "programme"),
)
store = table(
    "store", ("store_id",),
    col("store_id", Text, "identity", "programme"),
    col("partner_id", Text, "whose store", "programme"),
    col("name", Text, "shown to people", "programme"),
    col("cnpj", Text, "company registration, public", "programme", null=True),
    col("zone", Text, "local time of its terminals", "programme"),
    col("created_at", Instant, "history", "programme"),
)
merchant = table(
    "merchant", ("partner_id", "merchant_ref"),
    col("partner_id", Text, "whose establishment", "programme"),
    col("merchant_ref", Text, "name a vendor gives the store (StoneCode, account)", "programme"),
    col("store_id", Text, "the store it is", "programme"),
)
terminal = table(
    "terminal", ("terminal_id",),
    col("terminal_id", Text, "identity", "programme"),
    col("partner_id", Text, "whose terminal", "programme"),
    col("store_id", Text, "where it stands", "programme"),
    col("installation_id", Text, "which connector speaks for it", "programme"),
    col("serial", Text, "printed on the device", "programme"),
    col("secret_sealed", LargeBinary, "signs its requests", "credential"),
    col("active", Boolean, "may be revoked alone", "credential"),
    col("created_at", Instant, "history", "programme"),
    rest=(UniqueConstraint("programme_id", "partner_id", "serial"), Index("terminal_by_id", "terminal_id")),
)
operator = table(
    "operator", ("operator_id",),
    col("operator_id", Text, "identity", "programme"),
    col("partner_id", Text, "employer", "programme"),
    col("store_id", Text, "where they work", "programme"),
    col("name_sealed", LargeBinary, "shown to the partner", "member"),
    col("operator_ref", Text, "code used at the till", "programme"),
    col("active", Boolean, "may launch sales", "programme"),
    col("created_at", Instant, "history", "programme"),
    rest=(UniqueConstraint("programme_id", "partner_id", "operator_ref"),),
)
member = table(
    "member", ("member_id",),
    col("member_id", Text, "identity without a meaning", "member"),
    col("key_wrapped", LargeBinary, "member key; destroying it erases the person", "member", null=True),
    col("document_mask", Text, "three middle digits shown to operators", "member", null=True),
    col("name_sealed", LargeBinary, "greeting", "member", null=True),
    col("phone_sealed", LargeBinary, "contact", "member", null=True),
    col("blocked", Boolean, "redemption blocked", "member"),
    col("member_since", Instant, "late match counts from here", "member"),
    col("created_at", Instant, "history", "member"),
    col("version", BigInteger, "ETag", "member"),
)
identity = table(
    "identity", ("document_index",),
    col("document_index", Text, "keyed hash that finds a CPF or CNPJ", "member"),
    col("member_id", Text, "whose wallet it credits", "member"),
    col("role", Text, "holder or dependent", "member"),
    col("document_sealed", LargeBinary, "the document under the member key", "member"),
    col("name_sealed", LargeBinary, "a dependent's name", "member", null=True),
    col("since_at", Instant, "late match counts from here", "member"),
    rest=(Index("identity_by_member", "programme_id", "member_id"),),
)
membership = table(
    "membership", ("member_id", "valid_from", "recorded_at"),
    col("member_id", Text, "who", "member"),
    col("category_id", Text, "multiplier and validity", "member"),
    col("valid_from", Instant, "validity", "member"),
    col("recorded_at", Instant, "append-only history", "member"),
)
api_key = table(
    "api_key", ("key_id",),
    col("key_id", Text, "public part of the key", "credential"),
    col("name", Text, "shown to people", "credential"),
    col("secret_hash", LargeBinary, "keyed hash of the secret part", "credential"),
    col("scopes", Text, "what it may do (JSON)", "credential"),
    col("partner_id", Text, "only this partner", "credential", null=True),
    col("active", Boolean, "revocation", "credential"),
    col("created_at", Instant, "history", "credential"),
    col("expires_at", Instant, "end", "credential", null=True),
    rest=(Index("api_key_by_id", "key_id"),),
)
installation = table(
    "installation", ("installation_id",),
    col("installation_id", Text, "address of its deliveries", "programme"),
    col("partner_id", Text, "whose use of the connector", "programme"),
    col("store_id", Text, "default store of its sales", "programme", null=True),
    col("connector", Text, "slug of the code", "programme"),
    col("name", Text, "shown to people", "programme"),
    col("config_sealed", LargeBinary, "settings and secrets of the connector", "credential"),
    col("account_ref", Text, "vendor account; the same twice is refused", "programme"),
    col("trust", Text, "most it may claim", "programme"),
    col("covers", Boolean, "may declare complete days", "programme"),
    col("state", Text, "active, paused or needs_attention", "operational"),
    col("created_at", Instant, "history", "programme"),
    col("version", BigInteger, "ETag", "programme"),
    rest=(
        UniqueConstraint("programme_id", "connector", "account_ref"),
        Index("installation_by_id", "installation_id"),
    ),
)
delivery = table(
    "delivery", ("delivery_id",),
    col("delivery_id", Text, "identity", "operational"),
    col("installation_id", Text, "who sent it", "operational"),
    col("body_hash", Text, "keyed hash; the same bytes twice are one delivery", "operational"),
    col("body_sealed", LargeBinary, "replay and dispute", "sealed_payload", null=True),
    col("received_at", Instant, "when we learned", "operational"),
    col("state", Text, "done, waiting or parked", "operational"),
    col("reason", Text, "why it waits or is parked", "operational", null=True),
    col("attempts", Integer, "retries so far", "operational"),
    col("due_at", Instant, "next retry", "operational", null=True),
    col("answer", Text, "what the sender heard (JSON)", "operational", null=True),
    rest=(
        UniqueConstraint("programme_id", "installation_id", "body_hash"),
        Index("delivery_waiting", "programme_id", "state", "due_at"),
    ),
)
evidence = table(
    "evidence", ("evidence_id",),
    col("evidence_id", Text, "identity", "ledger"),
    col("partner_id", Text, "scope of its keys", "ledger"),
    col("dossier_id", Text, "everything that may be about one purchase", "ledger"),
    col("sale_id", Text, "the sale it is part of (cache)", "ledger"),
    col("installation_id", Text, "which source", "ledger"),
    col("delivery_id", Text, "which bytes said it", "ledger", null=True),
    col("trust", Text, "how far it is believed", "ledger"),
    col("digest", Text, "content hash; the same statement once", "ledger"),
    col("owner", Text, "keyed hash of the customer's document", "member", null=True),
    col("merchant", Text, "store or vendor establishment", "ledger", null=True),
    col("body", Text, "the statement without personal data (JSON)", "ledger"),
    col("received_at", Instant, "when we learned", "ledger"),
    rest=(
        UniqueConstraint("programme_id", "partner_id", "digest"),
        Index("evidence_by_dossier", "programme_id", "dossier_id"),
    ),
)
evidence_key = table(
    "evidence_key", ("kind", "value", "partner_id"),
    col("kind", Text, "numbering", "ledger"),
    col("value", Text, "foreign identity", "ledger"),
    col("partner_id", Text, "scope", "ledger"),
    col("dossier_id", Text, "where evidence with this key is", "ledger"),
    col("rank", Integer, "best trust that names a thing by it", "ledger"),
    rest=(Index("evidence_key_by_dossier", "programme_id", "dossier_id"),),
)
claim = table(
    "claim", ("claim_id",),
    col("claim_id", Text, "identity", "ledger"),
    col("partner_id", Text, "scope", "ledger"),
    col("dossier_id", Text, "what it is about", "ledger"),
    col("kind", Text, "key of the claimed payment or document", "ledger"),
    col("value", Text, "key of the claimed payment or document", "ledger"),
    col("owner", Text, "keyed hash of the claimant's document", "member"),
    col("decided", Boolean, "an operator's decision rather than a claim", "ledger"),
    col("made_at", Instant, "when", "ledger"),
    rest=(Index("claim_by_dossier", "programme_id", "dossier_id"),),
)
coverage = table(
    "coverage", ("merchant", "method", "day_on"),
    col("merchant", Text, "store or vendor establishment", "ledger"),
    col("method", Text, "which payments are complete", "ledger"),
    col("day_on", Day, "which local day", "ledger"),
    col("installation_id", Text, "who said so", "ledger"),
    col("recorded_at", Instant, "when we learned", "ledger"),
)
sale = table(
    "sale", ("sale_id",),
    col("sale_id", Text, "identity", "ledger"),
    col("partner_id", Text, "where it was bought", "ledger"),
    col("dossier_id", Text, "its evidence", "ledger"),
    col("merchant", Text, "which establishment", "ledger", null=True),
    col("first_kind", Text, "name of the sale", "ledger"),
    col("first_value", Text, "name of the sale", "ledger"),
    col("sold_at", Instant, "choice of terms", "ledger"),
    col("sold_on", Day, "daily limits", "ledger"),
    col("owner", Text, "keyed hash of the owner's document", "member", null=True),
    col("member_id", Text, "who owns it", "member", null=True),
    col("base_cents", BigInteger, "before returns", "ledger"),
    col("kept_numerator", Text, "exact centavos that earn", "ledger"),
    col("kept_denominator", Text, "exact centavos that earn", "ledger"),
    col("captured_cents", BigInteger, "payments", "ledger"),
    col("given_back_cents", BigInteger, "payments", "ledger"),
    col("confirmed", Boolean, "known by more than a claim", "ledger"),
    col("state", Text, "credited, pending, held, unmatched or none", "ledger"),
    col("reason", Text, "why it earned nothing or less", "ledger", null=True),
    col("flags", Text, "what a person should look at (JSON)", "ledger"),
    col("merged_into", Text, "the sale that took over this id", "ledger", null=True),
    col("recorded_at", Instant, "when we first learned", "ledger"),
    rest=(
        Index("sale_by_dossier", "programme_id", "dossier_id"),
        Index("sale_by_owner", "programme_id", "owner"),
        Index("sale_by_member", "programme_id", "member_id", "sold_on"),
    ),
)
award = table(
    "award", ("sale_id", "member_id", "partner_id"),
    col("sale_id", Text, "what earned", "ledger"),
    col("member_id", Text, "who earned", "ledger"),
    col("partner_id", Text, "who pays", "ledger"),
    col("units", BigInteger, "posted so far", "ledger"),
    col("pending", BigInteger, "posted and not yet available", "ledger"),
    col("absorbed", BigInteger, "reversed but spent: borne by goodwill", "ledger"),
    col("forgiven", BigInteger, "reversed but spent: borne by the partner", "ledger"),
    col("target_units", BigInteger, "what should be posted", "ledger"),
    col("desired_units", BigInteger, "before limits", "ledger"),
    col("held", Text, "why the rest waits", "ledger", null=True),
    col("terms", Text, "factors that held at the sale (JSON)", "ledger"),
    col("explanation", Text, "one pt-BR sentence", "ledger"),
    col("sold_at", Instant, "order of release and activation", "ledger"),
    col("activates_at", Instant, "when pending becomes available", "ledger", null=True),
    col("expires_at", Instant, "expiry of its lot", "ledger", null=True),
    rest=(
        Index("award_due", "programme_id", "activates_at"),
        Index("award_held", "programme_id", "partner_id", "held"),
    ),
)
movement = table(
    "movement", ("movement_id",),
    col("movement_id", Text, "identity", "ledger"),
    col("kind", Text, "template", "ledger"),
    col("sale_id", Text, "cause", "ledger", null=True),
    col("member_id", Text, "whose wallet", "ledger", null=True),
    col("counterpart_id", Text, "the other wallet of an owner change", "ledger", null=True),
    col("partner_id", Text, "whose account", "ledger", null=True),
    col("happened_at", Instant, "first clock: when it happened", "ledger"),
    col("learned_at", Instant, "second clock: when we learned", "ledger"),
    col("reason", Text, "cause in a stable code", "ledger"),
    rest=(Index("movement_by_member", "programme_id", "member_id", "movement_id"),),
)
posting = table(
    "posting", ("movement_id", "line"),
    col("movement_id", Text, "which movement", "ledger"),
    col("line", Integer, "order within it", "ledger"),
    col("account", Text, "kind of account", "ledger"),
    col("account_ref", Text, "whose account", "ledger"),
    col("units", BigInteger, "value that entered (negative: left)", "ledger"),
)
balance = table(
    "balance", ("account", "account_ref"),
    col("account", Text, "kind of account", "ledger"),
    col("account_ref", Text, "whose account", "ledger"),
    col("units", BigInteger, "sum of its postings (cache)", "ledger"),
)
lot = table(
    "lot", ("member_id", "lot_id"),
    col("member_id", Text, "whose", "ledger"),
    col("lot_id", Text, "identity", "ledger"),
    col("sale_id", Text, "what earned it", "ledger", null=True),
    col("partner_id", Text, "who paid it", "ledger", null=True),
    col("born_at", Instant, "order", "ledger"),
    col("expires_at", Instant, "expiry", "ledger", null=True),
    col("issued", BigInteger, "units at birth", "ledger"),
    col("remaining", BigInteger, "units still available", "ledger"),
    col("expired", BigInteger, "units that went to breakage", "ledger"),
    col("taken_back", BigInteger, "units that reversals took and may return", "ledger"),
    rest=(Index("lot_by_expiry", "programme_id", "expires_at"),),
)
voucher = table(
    "voucher", ("voucher_id",),
    col("voucher_id", Text, "identity", "ledger"),
    col("member_id", Text, "who cashed out", "ledger"),
    col("display_number", BigInteger, "for people, never redeemable alone", "ledger"),
    col("units", BigInteger, "value that left the wallet, less what came back", "ledger"),
    col("state", Text, "life of the voucher", "ledger"),
    col("issued_at", Instant, "when", "ledger"),
    rest=(
        UniqueConstraint("programme_id", "display_number"),
        Index("voucher_by_member", "programme_id", "member_id"),
    ),
)
reservation = table(
    "reservation", ("reservation_ref",),
    col("reservation_ref", Text, "63-bit order id given to the terminal", "operational"),
    col("partner_id", Text, "scope", "operational"),
    col("terminal_id", Text, "who asked", "operational"),
    col("owner", Text, "keyed hash of the typed document", "member"),
    col("document_mask", Text, "shown on the slip", "member"),
    col("amount_cents", BigInteger, "expected amount", "operational", null=True),
    col("state", Text, "open, used or closed", "operational"),
    col("reserved_at", Instant, "when", "operational"),
)
nonce = table(
    "nonce", ("terminal_id", "nonce"),
    col("terminal_id", Text, "which device", "operational"),
    col("nonce", Text, "one report, however often sent", "operational"),
    col("body_hash", Text, "the same nonce with other content is refused", "operational"),
    col("answer", Text, "what the device heard (JSON)", "operational"),
    col("seen_at", Instant, "when", "operational"),
)
idempotency = table(
    "idempotency", ("principal", "key"),
    col("principal", Text, "which API key", "operational"),
    col("key", Text, "chosen by the client", "operational"),
    col("fingerprint", Text, "keyed hash of the request", "operational"),
    col("status", Integer, "first answer", "operational"),
    col("answer", Text, "first answer (JSON)", "operational"),
    col("seen_at", Instant, "when; kept 7 days", "operational"),
)
outbox = table(
    "outbox", ("outbox_id",),
    col("outbox_id", Text, "identity", "operational"),
    col("kind", Text, "event or task", "operational"),
    col("subject_id", Text, "what it is about", "operational"),
    col("payload", Text, "thin: ids and units (JSON)", "operational"),
    col("state", Text, "ready, sending, unknown, done or held", "operational"),
    col("attempts", Integer, "tries so far", "operational"),
    col("due_at", Instant, "next try", "operational"),
    col("created_at", Instant, "when", "operational"),
    rest=(Index("outbox_due", "programme_id", "state", "due_at"),),
)
audit = table(
    "audit", ("audit_id",),
    col("audit_id", Text, "identity", "audit"),
    col("actor", Text, "which credential", "audit"),
    col("action", Text, "what was done", "audit"),
    col("subject_id", Text, "to what", "audit"),
    col("at", Instant, "when", "audit"),
)
counter = table(
    "counter", ("name",),
    col("name", Text, "which sequence", "operational"),
    col("value", BigInteger, "last number given", "operational"),
)
