"""Events between two builds: writers append to `pending`, a build seals what is there into segments that dbt reads.

    raw/events/<kind>/pending/open.jsonl      a line an event, appended and fsynced under a lock
    raw/events/<kind>/pending/<name>.jsonl    what was open once: closed by its size, or by a build
    raw/events/<kind>/pending/<name>.parquet  a push of many rows
    raw/events/<kind>/<name>.parquet          segments: what builds read, and they alone write

So the files that dbt reads change only under the lock of a build (warehouse_plugin.py), however many write meanwhile.
Of each row a segment keeps where and when it was landed, so that segments can be merged and a row stays who it is.
"""
