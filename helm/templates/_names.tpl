{{/*
Short enough for the longest name made from it: that of a StatefulSet, to which
Kubernetes adds eleven characters for a label.
*/}}
{{- define "agent-gateway.fullname" -}}
{{- $name := .Release.Name }}
{{- if not (contains .Chart.Name $name) }}
{{- $name = printf "%s-%s" $name .Chart.Name }}
{{- end }}
{{- $name | trunc 34 | trimSuffix "-" }}
{{- end }}

{{/* Takes {root, name}. */}}
{{- define "agent-gateway.componentName" -}}
{{- printf "%s-%s" (include "agent-gateway.fullname" .root) .name }}
{{- end }}

{{- define "agent-gateway.headlessName" -}}
{{- printf "%s-headless" (include "agent-gateway.componentName" .) }}
{{- end }}

{{/* Never change these: selectors and claims cannot be changed. Takes {root, name}. */}}
{{- define "agent-gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{/* Takes {root, name}. */}}
{{- define "agent-gateway.labels" -}}
{{ include "agent-gateway.selectorLabels" . }}
app.kubernetes.io/part-of: agent-gateway
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_") | quote }}
{{- end }}

{{- define "agent-gateway.image" -}}
{{- $image := .Values.image }}
{{- $registry := .Values.global.imageRegistry | default $image.registry }}
{{- with $registry }}{{ . }}/{{ end }}
{{- $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "agent-gateway.configMapName" -}}
{{- .Values.existingConfigMap | default (printf "%s-config" (include "agent-gateway.fullname" .)) }}
{{- end }}
