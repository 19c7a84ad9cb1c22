#!/usr/bin/env bash
# Starts the whole gateway in one process on loopback and says how to try it.
# Without --config it answers by its built-in mock provider. Ctrl-C drains it.
set -euo pipefail
cd "$(dirname "$0")/.."

http=127.0.0.1:8080 grpc=127.0.0.1:50051 ops=127.0.0.1:8081
mkdir -p .run/data
# In a group of its own, so that Ctrl-C reaches it once, through the trap.
setsid build/release/bin/agent-gateway \
  --set agentGateway.listen.http=$http \
  --set agentGateway.listen.grpc=$grpc \
  --set agentGateway.listen.ops=$ops \
  --set agentGateway.dataDir="$PWD/.run/data" \
  --set shutdown.preDrainDelay=0 \
  --log-format text "$@" &
gateway=$!
trap 'kill -TERM $gateway 2>/dev/null' INT TERM

until curl -fs -o /dev/null "http://$ops/readyz"; do
  kill -0 $gateway 2>/dev/null || { wait $gateway; exit; }
  sleep 0.05
done
cat <<TEXT

agent-gateway is ready on http://$http and grpc://$grpc. Try it:

  curl -N http://$http/v1/chat/completions -H 'content-type: application/json' \\
    -d '{"model":"mock","stream":true,"messages":[{"role":"user","content":"Hello"}]}'

  # pip install openai
  python3 -c 'import openai
client = openai.OpenAI(base_url="http://$http/v1", api_key="none")
print(client.chat.completions.create(model="mock",
    messages=[{"role": "user", "content": "Hello"}]).choices[0].message.content)'

  grpcurl -plaintext -d '{"chat":{"model":"mock","messages":[{"role":"ROLE_USER",
    "content":[{"text":{"text":"Hello"}}]}]}}' \\
    $grpc gateway.agent.v1.AgentService/StreamChat

Metrics: http://$ops/metrics   Ctrl-C stops it.

TEXT
# The first signal interrupts the wait; the second wait sees the drain's end.
status=0
wait $gateway || status=$?
if kill -0 $gateway 2>/dev/null; then
  status=0
  wait $gateway || status=$?
fi
exit $status
