"""Sales: evidence in, target awards out; every stored figure is a cache of `loyalty.sales.converge`."""
