"""WooCommerce: a shop on the merchant's own WordPress, spoken to over its REST API v3 and its webhooks."""
