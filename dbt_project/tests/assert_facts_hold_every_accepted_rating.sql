-- the facts, the labels, the histories and the last user states all count the same ratings
with

counts as (
    select
        (select count_accepted from {{ ref('rpt_row_accounting') }} where source = 'ratings') as accepted,
        (select count(*) from {{ ref('fct_ratings') }}) as facts,
        (select count(*) from {{ ref('training_labels') }}) as labels,
        (select coalesce(sum(len(movie_ids)), 0) from {{ ref('feat_user_history') }}) as histories,
        (select coalesce(sum(last_count), 0) from (
            select max(user_count_ratings) as last_count from {{ ref('feat_user_state') }} group by user_id
        )) as user_states,
        (select coalesce(sum(last_count), 0) from (
            select max(movie_count_ratings) as last_count from {{ ref('feat_movie_state') }} group by movie_id
        )) as movie_states
)

select * from counts
where not (
    accepted = facts and facts = labels and labels = histories and histories = user_states
    and user_states = movie_states
)
