"""Members: people and companies known by CPF or CNPJ, sealed under a key of their own."""
