# The guide's WebSocket test, as printed.
echo '{"type":"status","id":"test"}' | websocat ws://localhost:18789
