"""Reservations: a CPF typed before payment, under a 63-bit number that the payment carries."""
