{%- set erased = ref('stg_events__erased_users') %}
{%- set landed = {
    'movies': source('movielens', 'movies'), 'tags': source('movielens', 'tags'), 'links': source('movielens', 'links'),
    'users': source('movielens', 'users'), 'tmdb_documents': source('tmdb', 'documents'),
    'feedback': ref('stg_events__feedback'),
    'movie_changes': '(select * from ' ~ ref('stg_events__movies') ~ ' where not is_retired)'
} %}
{%- for name, relation in landed.items() %}
{%- set is_tombstone = "status = 'tombstone'" if name == 'tmdb_documents' else 'false' %}
{%- set is_surplus = 'is_surplus' if name == 'links' else 'false' %}
select
    '{{ name }}' as source,
    (select count(*) from {{ relation }}) as count_read,
    (select count(*) from {{ ref('int_' ~ name ~ '_checked') }} where reason is null and not {{ is_tombstone }}
        and not {{ is_surplus }}) as count_accepted,
    (select count(*) from {{ ref('rejected_rows') }} where source = '{{ name }}') as count_rejected,
    (select count(*) from {{ ref('int_' ~ name ~ '_checked') }} where reason is null and {{ is_tombstone }})
        as count_tombstones,
    (select count(*) from {{ ref('int_' ~ name ~ '_checked') }} where reason is null and {{ is_surplus }})
        as count_surplus,
    {{ count_erased(relation, erased) if name in ('tags', 'users') else '0::bigint' }} as count_erased

union all
{% endfor %}
select
    'ratings' as source,
    (select count(*) from {{ source('movielens', 'ratings') }})
        + (select count(*) from {{ ref('stg_events__ratings') }}) as count_read,
    (select count(*) from {{ ref('fct_ratings') }}) as count_accepted,
    (select count(*) from {{ ref('rejected_rows') }} where source = 'ratings') as count_rejected,
    0::bigint as count_tombstones,
    0::bigint as count_surplus,
    {{ count_erased(source('movielens', 'ratings'), erased) }} as count_erased
