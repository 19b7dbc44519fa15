-- no held-out rating is older than a rating that models are trained on, and the held-out shares are a tenth each
with

bounds as (
    select
        max(event_timestamp) filter (split_time = 'train') as last_train,
        min(event_timestamp) filter (split_time = 'validation') as first_validation,
        max(event_timestamp) filter (split_time = 'validation') as last_validation,
        min(event_timestamp) filter (split_time = 'test') as first_test,
        count(*) filter (split_time = 'train') / count(*) as share_train
    from {{ ref('training_labels') }}
)

select * from bounds
where last_train >= first_validation or last_validation >= first_test or share_train > 0.8
