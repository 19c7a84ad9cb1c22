{{/*
What the five components are. `section` is the key of a component in the config
file; `peers` are the components that it calls.
*/}}
{{- define "agent-gateway.catalogue" -}}
ingress:
  kind: Deployment
  section: ingress
  http: true
  peers: [model-router, batch-aggregator, session-store, metrics-collector]
model-router:
  kind: Deployment
  section: modelRouter
  data: true
  providers: true
  peers: [metrics-collector]
batch-aggregator:
  kind: StatefulSet
  section: batchAggregator
  data: true
  peers: [model-router, session-store]
session-store:
  kind: StatefulSet
  section: sessionStore
  data: true
  startupFailures: 300
  peers: []
metrics-collector:
  kind: StatefulSet
  section: metricsCollector
  data: true
  peers: []
{{- end }}

{{/*
The values of a component, merged over the defaults.
Takes {root, name}.
*/}}
{{- define "agent-gateway.component" -}}
{{- $own := deepCopy (index .root.Values.components .name) }}
{{- $all := mergeOverwrite (deepCopy .root.Values.defaults) $own }}
{{- /* Merging the fields of two probes, say, gives a probe with two actions. */}}
{{- range $path := list (list "probes" "startup") (list "probes" "readiness") (list "probes" "liveness") (list "scheduling" "affinity") (list "autoscaling" "behavior") }}
{{- $block := index $own (first $path) | default dict }}
{{- with index $block (last $path) }}
{{- $_ := set (index $all (first $path)) (last $path) (deepCopy .) }}
{{- end }}
{{- end }}
{{- with $own.strategy }}
{{- $_ := set $all "strategy" (deepCopy .) }}
{{- end }}
{{- include "agent-gateway.dropNulls" $all }}
{{- toYaml $all }}
{{- end }}

{{/* Takes a map, and from it what is null: so a component loses a default. */}}
{{- define "agent-gateway.dropNulls" -}}
{{- range $key, $value := . }}
{{- if kindIs "invalid" $value }}
{{- $_ := unset $ $key }}
{{- else if kindIs "map" $value }}
{{- include "agent-gateway.dropNulls" $value }}
{{- end }}
{{- end }}
{{- end }}

{{/* The fewest replicas that a component ever has. Takes its merged values. */}}
{{- define "agent-gateway.minReplicas" -}}
{{- ternary .autoscaling.minReplicas .replicas .autoscaling.enabled | int }}
{{- end }}
