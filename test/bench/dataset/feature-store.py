"""Reads the tables of a dataset with Feast, as they are, and holds what it gives against what is in the files: feature-store.py <folder of a version>.

Needs `pip install feast duckdb`. Columns are declared, since Feast's own guess knows no decimals.
"""

import math
import sys
import tempfile
from datetime import datetime, timedelta, timezone

import duckdb
import pandas
import pyarrow.parquet as parquet
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, __version__
from feast.types import Float64, Int64, String, UnixTimestamp

folder = sys.argv[1]
ROWS = 200
TYPES = {"string": String, "int32": Int64, "int64": Int64, "timestamp[us]": UnixTimestamp, "date32[day]": UnixTimestamp}


def view(table: str, key: str) -> FeatureView:
    own = {"event_timestamp", "created_timestamp", key}
    columns = [column for column in parquet.read_schema(f"{folder}/{table}.parquet") if column.name not in own]
    source = FileSource(
        name=table,
        path=f"{folder}/{table}.parquet",
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
    )
    schema = [Field(name=column.name, dtype=TYPES.get(str(column.type), Float64)) for column in columns]
    entity = Entity(name=f"{table}_key", join_keys=[key])
    return FeatureView(name=table, entities=[entity], ttl=timedelta(days=36500), source=source, schema=schema)


def check(store: FeatureStore, table: str, key: str) -> None:
    names = [field.name for field in store.get_feature_view(table).features]
    rows = duckdb.sql(f"FROM '{folder}/{table}.parquet' ORDER BY {key} LIMIT {ROWS}").df()
    wanted = [f"{table}:{name}" for name in names]

    def at(shift: timedelta) -> pandas.DataFrame:
        moments = rows["event_timestamp"].dt.tz_localize("UTC") + shift
        frame = pandas.DataFrame({key: rows[key], "event_timestamp": moments})
        return store.get_historical_features(entity_df=frame, features=wanted).to_df().sort_values(key)

    after, before = at(timedelta(seconds=1)), at(-timedelta(seconds=1))
    differing = [name for name in names if not all(map(is_same, after[name], rows[name]))]
    early = int(before[names].notna().any(axis=1).sum())
    print(f"{table}: {len(rows)} rows, {len(names)} columns; differing: {differing or 'none'}; known before they happened: {early}")
    if differing or early or rows.empty:
        sys.exit(1)


def is_same(got: object, kept: object) -> bool:
    if pandas.isna(got) or pandas.isna(kept):
        return bool(pandas.isna(got) and pandas.isna(kept))
    if isinstance(got, datetime):
        moment = pandas.Timestamp(got)
        return (moment.tz_convert(timezone.utc).tz_localize(None) if moment.tzinfo else moment) == pandas.Timestamp(kept)
    return str(got) == str(kept) or math.isclose(float(got), float(kept), rel_tol=1e-12)


repo = tempfile.mkdtemp()
store = FeatureStore(
    config=RepoConfig(
        project="tributary",
        provider="local",
        registry=f"{repo}/registry.db",
        online_store={"type": "sqlite", "path": f"{repo}/online.db"},
        offline_store="file",
        entity_key_serialization_version=3,
    )
)
tables = {"customer_features": "customer_id", "invoices": "id", "tickets": "id"}
views = [view(table, key) for table, key in tables.items()]
store.apply([*views, *[Entity(name=f"{table}_key", join_keys=[key]) for table, key in tables.items()]])
print(f"feast {__version__}")
for table, key in tables.items():
    check(store, table, key)
