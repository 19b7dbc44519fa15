{{ document_items('$.keywords.keywords', 'keyword', "try_cast(item ->> '$.id' as bigint)", "item ->> '$.name'") }}
