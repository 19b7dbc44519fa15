{{ document_items('$.production_companies', 'company', whole_number("(item ->> '$.id')"), "item ->> '$.name'") }}
