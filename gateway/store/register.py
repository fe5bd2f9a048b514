"""The tables of settings: programmes, partners and their places, members, credentials.

Re-exported by `tables.py`, which is where everybody looks.
"""

from sqlalchemy import BigInteger, Boolean, Index, Integer, LargeBinary, Text, UniqueConstraint

from gateway.store.columns import Instant, col, due_index, table

programme = table(
    "programme",
    (),
    col("name", Text, "shown to people", "programme"),
    col("unit", Text, "points or cashback, fixed at activation", "programme"),
    col("mode", Text, "proprietary or coalition, fixed at activation", "programme"),
    col("zone", Text, "local days of the programme", "programme"),
    col("active", Boolean, "whether sales earn", "programme"),
    col("key_wrapped", LargeBinary, "programme key under the master key", "credential"),
    col("created_at", Instant, "history", "programme"),
    col("version", BigInteger, "changes with every setting; ETag", "programme"),
)
policy = table(
    "policy",
    ("valid_from", "recorded_at"),
    col("valid_from", Instant, "validity", "programme"),
    col("recorded_at", Instant, "append-only history", "programme"),
    col("terms", Text, "limits and windows (JSON)", "programme"),
)
partner = table(
    "partner",
    ("partner_id",),
    col("partner_id", Text, "identity", "programme"),
    col("name", Text, "shown to people", "programme"),
    col("cnpj", Text, "company registration, public", "programme", null=True),
    col("funding", Text, "issuance or prepaid pack", "programme"),
    col("created_at", Instant, "history", "programme"),
    col("version", BigInteger, "ETag", "programme"),
)
rate = table(
    "rate",
    ("partner_id", "valid_from", "recorded_at"),
    col("partner_id", Text, "whose rate", "programme"),
    col("rate_micro", BigInteger, "units per R$ 1 in millionths", "programme"),
    col("valid_from", Instant, "validity", "programme"),
    col("valid_until", Instant, "validity", "programme", null=True),
    col("recorded_at", Instant, "append-only history", "programme"),
)
category = table(
    "category",
    ("category_id", "valid_from", "recorded_at"),
    col("category_id", Text, "identity", "programme"),
    col("name", Text, "shown to people", "programme"),
    col("multiplier_milli", BigInteger, "factor in thousandths", "programme"),
    col("valid_days", Integer, "validity of what is earned", "programme", null=True),
    col("valid_from", Instant, "validity", "programme"),
    col("recorded_at", Instant, "append-only history", "programme"),
)
campaign = table(
    "campaign",
    ("campaign_id",),
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
    "store",
    ("store_id",),
    col("store_id", Text, "identity", "programme"),
    col("partner_id", Text, "whose store", "programme"),
    col("name", Text, "shown to people", "programme"),
    col("cnpj", Text, "company registration, public", "programme", null=True),
    col("zone", Text, "local time of its terminals", "programme"),
    col("created_at", Instant, "history", "programme"),
)
merchant = table(
    "merchant",
    ("partner_id", "merchant_ref"),
    col("partner_id", Text, "whose establishment", "programme"),
    col("merchant_ref", Text, "name a vendor gives the store (StoneCode, account)", "programme"),
    col("store_id", Text, "the store it is", "programme"),
)
terminal = table(
    "terminal",
    ("terminal_id",),
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
    "operator",
    ("operator_id",),
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
    "member",
    ("member_id",),
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
    "identity",
    ("document_index",),
    col("document_index", Text, "keyed hash that finds a CPF or CNPJ", "member"),
    col("member_id", Text, "whose wallet it credits", "member"),
    col("role", Text, "holder or dependent", "member"),
    col("document_sealed", LargeBinary, "the document under the member key", "member"),
    col("name_sealed", LargeBinary, "a dependent's name", "member", null=True),
    col("since_at", Instant, "late match counts from here", "member"),
    rest=(Index("identity_by_member", "programme_id", "member_id"),),
)
membership = table(
    "membership",
    ("member_id", "valid_from", "recorded_at"),
    col("member_id", Text, "who", "member"),
    col("category_id", Text, "multiplier and validity", "member"),
    col("valid_from", Instant, "validity", "member"),
    col("recorded_at", Instant, "append-only history", "member"),
)
custody = table(
    "custody",
    (),
    col("key_id", Text, "names the master key that everything here is sealed under", "credential"),
    col("since_at", Instant, "history", "credential"),
)
api_key = table(
    "api_key",
    ("key_id",),
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
    "installation",
    ("installation_id",),
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
poll = table(
    "poll",
    ("poll_id",),
    col("poll_id", Text, "identity; a live poll bears its installation's", "operational"),
    col("installation_id", Text, "which store is asked", "operational"),
    col("cursor", Text, "where the next page begins; the connector's own text", "operational"),
    col("until_at", Instant, "a back-fill ends here; none: for ever", "operational", null=True),
    col("due_at", Instant, "next page; none: ended", "operational", null=True),
    col("attempts", Integer, "failures since the last page", "operational"),
    col("reason", Text, "why the last page failed, in a stable code", "operational", null=True),
    col("read_at", Instant, "when a round was last read to its end", "operational", null=True),
    col("facts", BigInteger, "how many facts it brought", "operational"),
    rest=(
        due_index("poll_due", "due_at", "due_at IS NOT NULL"),
        Index("poll_by_installation", "programme_id", "installation_id"),
    ),
)
