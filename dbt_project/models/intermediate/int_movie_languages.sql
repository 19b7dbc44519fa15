{{ document_items(
    '$.spoken_languages', 'language', "nullif(item ->> '$.iso_639_1', '')",
    "coalesce(nullif(item ->> '$.name', ''), item ->> '$.iso_639_1')"
) }}
