{{ document_items(
    '$.production_countries', 'country', "nullif(item ->> '$.iso_3166_1', '')",
    "coalesce(nullif(item ->> '$.name', ''), item ->> '$.iso_3166_1')"
) }}
