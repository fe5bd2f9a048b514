"""Vouchers: issued rights to a discount, and what checkouts did with them."""
