"""Shopify: orders by webhook and poll, read from the GraphQL Admin API; vouchers as discount codes."""
