-- What was taken in still lies in the segments as it was, and a build takes in all of them. If a landed file was
-- removed or changed on purpose: dbt build --full-refresh
with

landed as (
    select
        landed_file,
        count(*) as count_rows,
        {{ rows_hash() }} as rows_hash
    from {{ ref('stg_events__ratings') }}
    group by landed_file
),

taken_in as (
    select * from {{ ref('rpt_landed_files') }} where source = 'ratings'
)

select
    landed_file,
    landed.count_rows as landed_rows,
    taken_in.count_rows as taken_in_rows
from landed
full join taken_in using (landed_file)
where
    landed.rows_hash <> taken_in.rows_hash
    or (
        landed.count_rows is distinct from taken_in.count_rows
        and (taken_in.count_rows is not null or getvariable('build_inputs') is not null)  -- else it waits for a build
    )
