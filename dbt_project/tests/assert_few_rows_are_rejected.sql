-- more than 1% of a landed table that cannot be used: core.rejected_rows says why
{{ config(severity='warn') }}
select * from {{ ref('rpt_row_accounting') }}
where count_rejected * 100 > count_read
