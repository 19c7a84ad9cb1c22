{{/* The config file: what the user wrote, and where the keys of providers are. */}}
{{- define "agent-gateway.config" -}}
{{- $config := deepCopy .Values.config }}
{{- range $name, $_ := .Values.providers }}
{{- $_ := set (index $config.providers $name) "key" (dict "file" (printf "/etc/agent-gateway/providers/%s" $name)) }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{/*
A digest of what a running process cannot take up. Other keys are read again when
the file changes, so they must not restart a pod.
*/}}
{{- define "agent-gateway.restartChecksum" -}}
{{- $config := include "agent-gateway.config" . | fromYaml }}
{{- $found := dict }}
{{- range $key := .Files.Get "files/restart-keys.yaml" | fromYamlArray }}
{{- $at := dict "value" $config }}
{{- range splitList "." $key }}
{{- $inside := kindIs "map" $at.value | ternary $at.value dict }}
{{- $_ := set $at "value" (get $inside .) }}
{{- end }}
{{- if ne (toString $at.value) "" }}
{{- $_ := set $found $key $at.value }}
{{- end }}
{{- end }}
{{- toYaml $found | sha256sum }}
{{- end }}

{{/*
Text of a scalar: whole numbers without an exponent, which Go writes from a
million on.
*/}}
{{- define "agent-gateway.scalar" -}}
{{- if kindIs "float64" . }}
{{- if eq (floor .) . }}{{ printf "%d" (int64 .) }}{{ else }}{{ . }}{{ end }}
{{- else }}{{ . }}{{ end }}
{{- end }}

{{/* A model that clients can ask; empty: what the gateway has without any. */}}
{{- define "agent-gateway.someModel" -}}
{{- .Values.smoke.model | default .Values.gateway.fallbackModel | default (keys (.Values.config.models | default dict) | sortAlpha | first) | default "" }}
{{- end }}

{{/* SESSION_STORE of session-store. */}}
{{- define "agent-gateway.variablePart" -}}
{{- . | upper | replace "-" "_" }}
{{- end }}

{{/* The variables that the chart sets, by name. Takes {root, name, values}. */}}
{{- define "agent-gateway.ownEnv" -}}
{{- $env := dict }}
{{- range $variable, $value := dict "STREAMING" "streaming" "TTL" "ttl" "MONITORING" "monitoring" "FALLBACK_MODEL" "fallbackModel" "BATCH_SIZE" "batchSize" }}
{{- $set := get $.root.Values.gateway $value }}
{{- if not (kindIs "invalid" $set) }}
{{- $text := include "agent-gateway.scalar" $set }}
{{- if ne $text "" }}
{{- $_ := set $env (printf "GATEWAY_%s" $variable) $text }}
{{- end }}
{{- end }}
{{- end }}
{{- $catalogue := include "agent-gateway.catalogue" . | fromYaml }}
{{- range $peer := (index $catalogue .name).peers }}
{{- $values := include "agent-gateway.component" (dict "root" $.root "name" $peer) | fromYaml }}
{{- if $values.enabled }}
{{- $_ := set $env (printf "GATEWAY__%s__TARGET" (include "agent-gateway.variablePart" $peer)) (printf "dns:///%s:50051" (include "agent-gateway.headlessName" (dict "root" $.root "name" $peer))) }}
{{- end }}
{{- end }}
{{- $section := printf "GATEWAY__%s__SHUTDOWN" (include "agent-gateway.variablePart" .name) }}
{{- $_ := set $env (printf "%s__PRE_DRAIN_DELAY" $section) (int .values.shutdown.preDrainDelay | toString) }}
{{- $_ := set $env (printf "%s__DRAIN_TIMEOUT" $section) (int .values.shutdown.drainTimeout | toString) }}
{{- toYaml $env }}
{{- end }}

{{/* `env` of a container, sorted. Takes {root, name, values}. */}}
{{- define "agent-gateway.env" -}}
{{- $env := include "agent-gateway.ownEnv" . | fromYaml }}
{{- range $name, $value := .values.env }}
{{- $_ := set $env $name $value }}
{{- end }}
{{- range $name, $value := $env }}
- name: {{ $name }}
{{- if kindIs "map" $value }}
  {{- toYaml $value | nindent 2 }}
{{- else }}
  value: {{ include "agent-gateway.scalar" $value | quote }}
{{- end }}
{{- end }}
{{- end }}
