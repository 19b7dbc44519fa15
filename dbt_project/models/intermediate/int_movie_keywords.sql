{{ document_items('$.keywords.keywords', 'keyword', whole_number("(item ->> '$.id')"), "item ->> '$.name'") }}
