"""Which connectors a hub accepts at its start."""

from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from pydantic import BaseModel

from contracts import Connector
from contracts.connector import Limits, Poll, Webhook
from contracts.signatures import Unsigned
from gateway.catalogue import GROUP, Catalogue, CatalogueRefused, UnknownConnector


class Config(BaseModel):
    token: str = ""


shop: Connector[Config] = Connector(
    slug="shop",
    name="Shop",
    config=Config,
    docs="docs/shop.md",
    webhook=Webhook(signature=lambda _config: Unsigned("a test"), receive=lambda _delivery, _config: []),
)


def test_connectors_are_found_by_entry_point_and_got_by_slug(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "installed_shop", sys.modules[__name__])
    catalogue = Catalogue.load([EntryPoint("shop", "installed_shop:shop", GROUP)])
    assert catalogue.get("shop") is shop
    assert catalogue.slugs == ("shop",)
    assert list(catalogue) == [shop]


def test_an_unknown_slug_is_said_so() -> None:
    with pytest.raises(UnknownConnector, match="'store'"):
        Catalogue.of(shop).get("store")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"slug": "Shop!"}, "'Shop!' is no slug"),
        ({"api": 2}, "written for api 2"),
        ({"config": dict}, "pydantic model"),
        ({"webhook": None}, "can do nothing"),
        ({"webhook": Webhook(signature=None, receive=None)}, "without a signature"),  # type: ignore[arg-type]
        ({"poll": Poll(60, str, lambda _cursor, _config: None)}, "no base_url"),  # type: ignore[arg-type, return-value]
        ({"trusts": ()}, "must list the trusts"),
        ({"trusts": ("gospel",)}, "lists a trust that is none of: file"),
        ({"limits": Limits(requests_per_minute=0)}, "at least one request"),
    ],
)
def test_a_broken_record_is_refused_with_one_clear_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CatalogueRefused) as refused:
        Catalogue.of(replace(shop, **change))
    assert sentence in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_the_same_slug_twice_is_refused() -> None:
    with pytest.raises(CatalogueRefused, match="is there twice"):
        Catalogue.of(shop, replace(shop, name="Other"))


def test_all_faults_of_all_connectors_are_told_at_once() -> None:
    with pytest.raises(CatalogueRefused) as refused:
        Catalogue.of(replace(shop, api=2, trusts=()), replace(shop, slug="b!"))
    assert len(str(refused.value).splitlines()) == 3


def test_a_module_that_cannot_be_imported_and_a_thing_that_is_no_connector_are_refused_by_name() -> None:
    points = [EntryPoint("gone", "no_such_module_here:x", GROUP), EntryPoint("odd", "json:dumps", GROUP)]
    with pytest.raises(CatalogueRefused) as refused:
        Catalogue.load(points)
    assert "gone cannot be imported from no_such_module_here:x (ModuleNotFoundError)." in str(refused.value)
    assert "odd must name a Connector" in str(refused.value)
