{{ document_items('$.production_companies', 'company', "try_cast(item ->> '$.id' as bigint)", "item ->> '$.name'") }}
