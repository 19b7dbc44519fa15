-- read = accepted + rejected + tombstones + surplus + erased, for every landed table
select * from {{ ref('rpt_row_accounting') }}
where count_read <> count_accepted + count_rejected + count_tombstones + count_surplus + count_erased
