{{ config(materialized='incremental', table_type='PRIMARY', keys=['day'], distributed_by=['day']) }}
SELECT CAST(day AS DATE) AS day, count(*) AS orders FROM {{ ref('orders') }}
{% if is_incremental() %}
WHERE day >= (SELECT max(day) FROM {{ this }})
{% endif %}
GROUP BY 1
