{{ config(materialized='view') }}
SELECT * FROM {{ ref('orders') }} WHERE day >= '2026-01-02'
