"""Online features as columns: what Feast's own `get_online_features` answers, value for value."""

from typing import Any

import pytest

from tests.conftest import Built, OnRedis

NOBODY = 10**9


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, built_workspace: Built, monkeypatch: pytest.MonkeyPatch) -> Any:
    from feature_repo.store import load_store

    root, address = built_workspace.root, ""
    if request.param == "redis":
        redis_demo: OnRedis = request.getfixturevalue("redis_demo")
        root, address = redis_demo.root, redis_demo.server.address
    monkeypatch.setenv("CINEFEAST_WORKSPACE", str(root))
    monkeypatch.setenv("REDIS_CONNECTION_STRING", address)
    return load_store()


@pytest.mark.parametrize(("entity", "key"), [("user", "user_id"), ("movie", "movie_id")])
def test_columns_are_what_feast_reads(entity: str, key: str, store: Any, built_workspace: Built) -> None:
    """Every feature of every view for every key and for one that nobody has; in the order asked for, some twice."""
    from feature_repo.online_store.columns import ColumnReader, arrow_fields

    views = [view for view in store.list_batch_feature_views() if view.online and view.entities == [entity]]
    fields = {reference: field for view in views for reference, field in arrow_fields(view).items()}
    users, films = built_workspace.data.ids
    ids = [*(users if entity == "user" else films), NOBODY][::-1]
    ids += ids[:3]
    found = ColumnReader(store, key, fields)(ids)
    expected = store.get_online_features(list(fields), {key: ids}).to_dict()
    assert found.column_names == [key, *(field.name for field in fields.values())]
    assert [field.type for field in found.schema][1:] == [field.type for field in fields.values()]
    assert found.to_pydict() == {name: expected[name] for name in found.column_names}
    assert len(views) > 3
    assert sum(column.null_count < len(ids) for column in found.columns) > 15
    assert all(value is None for name, value in found.to_pylist()[0].items() if name != key)


def test_no_key_has_no_row(store: Any) -> None:
    from feature_repo.online_store.columns import ColumnReader, arrow_fields

    fields = arrow_fields(store.get_feature_view("user_profile"))
    assert ColumnReader(store, "user_id", fields)([]).num_rows == 0
