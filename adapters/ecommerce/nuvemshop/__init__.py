"""Nuvemshop (Tiendanube): hosted stores, reached through an app that the merchant installs."""
