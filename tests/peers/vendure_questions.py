"""Asking a Vendure store by its own APIs: one session, and the GraphQL documents of merchant and shopper.

Each document selects one field, so that its answer is what the field holds.
"""

import json
from typing import Any, TypeAlias

import httpx

Json: TypeAlias = dict[str, Any]


class StoreRefused(Exception):
    """The store answered with errors, or with an error result instead of what was asked for."""


class Caller:
    """One session with one of the store's APIs; the bearer token of a login stays with it."""

    def __init__(self, http: httpx.AsyncClient, path: str) -> None:
        self._http, self._path = http, path
        self._token = ""

    async def __call__(self, document: str, **variables: Any) -> Any:
        """Return the one field that `document` selects; `StoreRefused` if the store says no."""
        headers = {"authorization": f"Bearer {self._token}"} if self._token else {}
        asked = {"query": document, "variables": variables}
        answer = await self._http.post(self._path, json=asked, headers=headers)
        self._token = answer.headers.get("vendure-auth-token") or self._token
        said = answer.json()
        if said.get("errors"):
            raise StoreRefused(json.dumps(said["errors"])[:2000])
        (result,) = said["data"].values()
        if isinstance(result, dict) and "errorCode" in result:
            raise StoreRefused(json.dumps(result))
        return result


# ------------------------------------------------------------------------------------------ Admin API
LOGIN = """mutation($user: String!, $password: String!) {
  login(username: $user, password: $password) { ... on CurrentUser { id } ... on ErrorResult { errorCode message } } }"""
ACTIVE_CHANNEL = "{ activeChannel { id } }"
UPDATE_CHANNEL = """mutation($input: UpdateChannelInput!) {
  updateChannel(input: $input) { ... on Channel { id } ... on ErrorResult { errorCode message } } }"""
CREATE_COUNTRY = "mutation($input: CreateCountryInput!) { createCountry(input: $input) { id } }"
CREATE_ZONE = "mutation($input: CreateZoneInput!) { createZone(input: $input) { id } }"
CREATE_TAX_CATEGORY = "mutation($input: CreateTaxCategoryInput!) { createTaxCategory(input: $input) { id } }"
CREATE_TAX_RATE = "mutation($input: CreateTaxRateInput!) { createTaxRate(input: $input) { id } }"
CREATE_SHIPPING_METHOD = (
    "mutation($input: CreateShippingMethodInput!) { createShippingMethod(input: $input) { id } }"
)
CREATE_PAYMENT_METHOD = (
    "mutation($input: CreatePaymentMethodInput!) { createPaymentMethod(input: $input) { id } }"
)
CREATE_PRODUCT = "mutation($input: CreateProductInput!) { createProduct(input: $input) { id } }"
CREATE_VARIANTS = (
    "mutation($input: [CreateProductVariantInput!]!) { createProductVariants(input: $input) { id } }"
)
CREATE_ROLE = "mutation($input: CreateRoleInput!) { createRole(input: $input) { id } }"
CREATE_API_KEY = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey } }"
PROMOTIONS = "{ promotions { items { id couponCode } } }"
ORDER_BY_CODE = """query($code: String!) { orders(options: { filter: { code: { eq: $code } } }) { items {
  id code state updatedAt totalWithTax shippingWithTax couponCodes
  lines { id quantity orderPlacedQuantity unitPriceWithTax linePriceWithTax }
  shippingLines { priceWithTax discountedPriceWithTax }
  discounts { adjustmentSource amountWithTax description } promotions { id couponCode }
  payments { id method state amount updatedAt refunds { id state total items shipping } } } } }"""
REFUND = """mutation($input: RefundOrderInput!) {
  refundOrder(input: $input) { ... on Refund { id state total } ... on ErrorResult { errorCode message } } }"""
SETTLE_REFUND = """mutation($input: SettleRefundInput!) {
  settleRefund(input: $input) { ... on Refund { id state } ... on ErrorResult { errorCode message } } }"""
SETTLE_PAYMENT = """mutation($id: ID!) {
  settlePayment(id: $id) { ... on Payment { id state } ... on ErrorResult { errorCode message } } }"""
CANCEL = """mutation($input: CancelOrderInput!) {
  cancelOrder(input: $input) { ... on Order { id state } ... on ErrorResult { errorCode message } } }"""

# ------------------------------------------------------------------------------------------- Shop API
_ORDER = (
    "{ ... on Order { id code state totalWithTax couponCodes } ... on ErrorResult { errorCode message } }"
)
ADD_ITEM = (
    "mutation($variant: ID!, $quantity: Int!) { "
    f"addItemToOrder(productVariantId: $variant, quantity: $quantity) {_ORDER} }}"
)
APPLY_COUPON = f"mutation($code: String!) {{ applyCouponCode(couponCode: $code) {_ORDER} }}"
SET_CUSTOMER = f"mutation($input: CreateCustomerInput!) {{ setCustomerForOrder(input: $input) {_ORDER} }}"
SET_ADDRESS = f"mutation($input: CreateAddressInput!) {{ setOrderShippingAddress(input: $input) {_ORDER} }}"
SET_SHIPPING = f"mutation($id: [ID!]!) {{ setOrderShippingMethod(shippingMethodId: $id) {_ORDER} }}"
SET_FIELDS = f"mutation($input: UpdateOrderInput!) {{ setOrderCustomFields(input: $input) {_ORDER} }}"
TRANSITION = f"mutation($state: String!) {{ transitionOrderToState(state: $state) {_ORDER} }}"
PAY = f"mutation($input: PaymentInput!) {{ addPaymentToOrder(input: $input) {_ORDER} }}"
