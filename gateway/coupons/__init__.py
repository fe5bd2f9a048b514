"""Coupons: vouchers as stores show them. The hub owns the voucher; a store's coupon only follows it."""
