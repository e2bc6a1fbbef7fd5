# The guide's two webhook commands, as printed.
# Trigger a deploy alert
curl -X POST http://localhost:18789/webhook/deploy-alert \
  -H "Content-Type: application/json" \
  -H "X-Webhook-Secret: your-webhook-secret" \
  -d '{"service": "api-v2", "status": "success", "commit": "abc123"}'

# Trigger an error alert
curl -X POST http://localhost:18789/webhook/error-alert \
  -H "Content-Type: application/json" \
  -H "X-Webhook-Secret: your-webhook-secret" \
  -d '{"service": "payments", "error": "Connection timeout to database"}'
