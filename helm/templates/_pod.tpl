{{/*
The pod template of a component. Takes {root, name, values, entry}; entry is the
component's of the catalogue.
*/}}
{{- define "agent-gateway.pod" -}}
{{- $values := .values -}}
metadata:
  labels:
    {{- /* No version: a chart's update alone must not replace a pod. */}}
    {{- include "agent-gateway.selectorLabels" . | nindent 4 }}
    {{- toYaml (merge (deepCopy ($values.podLabels | default dict)) (dict "app.kubernetes.io/part-of" "agent-gateway")) | nindent 4 }}
  annotations:
    {{- $annotations := dict "kubectl.kubernetes.io/default-container" .name }}
    {{- if not .root.Values.existingConfigMap }}
    {{- $_ := set $annotations "checksum/restart-keys" (include "agent-gateway.restartChecksum" .root) }}
    {{- end }}
    {{- toYaml (mergeOverwrite $annotations ($values.podAnnotations | default dict)) | nindent 4 }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .root.Values.global.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  terminationGracePeriodSeconds: {{ add $values.shutdown.preDrainDelay $values.shutdown.drainTimeout 10 }}
  {{- with $values.scheduling.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with $values.scheduling.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.scheduling.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.scheduling.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $values.scheduling.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml $values.scheduling.topologySpreadConstraints | nindent 4 }}
  {{- else if eq .entry.kind "Deployment" }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "agent-gateway.selectorLabels" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  {{- with $values.extraInitContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .name }}
      image: {{ include "agent-gateway.image" .root | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      command: [{{ .name }}]
      args: [serve, --config, /etc/agent-gateway/config/config.yaml]
      env:
        {{- include "agent-gateway.env" . | trim | nindent 8 }}
      {{- with $values.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: grpc
          containerPort: 50051
        {{- if .entry.http }}
        - name: http
          containerPort: 8080
        {{- end }}
        - name: ops
          containerPort: 8081
      startupProbe:
        {{- if $values.probes.startup }}
        {{- toYaml $values.probes.startup | nindent 8 }}
        {{- else }}
        httpGet: {path: /startupz, port: ops}
        periodSeconds: 2
        failureThreshold: {{ .entry.startupFailures | default 60 }}
        timeoutSeconds: 3
        {{- end }}
      readinessProbe:
        {{- if $values.probes.readiness }}
        {{- toYaml $values.probes.readiness | nindent 8 }}
        {{- else }}
        httpGet: {path: /readyz, port: ops}
        periodSeconds: 5
        failureThreshold: 2
        timeoutSeconds: 3
        {{- end }}
      livenessProbe:
        {{- if $values.probes.liveness }}
        {{- toYaml $values.probes.liveness | nindent 8 }}
        {{- else }}
        httpGet: {path: /livez, port: ops}
        periodSeconds: 10
        failureThreshold: 6
        timeoutSeconds: 5
        terminationGracePeriodSeconds: 20
        {{- end }}
      {{- with $values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - name: config
          mountPath: /etc/agent-gateway/config
          readOnly: true
        - name: tmp
          mountPath: /tmp
        {{- if .entry.data }}
        - name: data
          mountPath: /var/lib/agent-gateway/{{ .name }}
        {{- end }}
        {{- if and .entry.providers .root.Values.providers }}
        - name: provider-keys
          mountPath: /etc/agent-gateway/providers
          readOnly: true
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with $values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "agent-gateway.configMapName" .root | quote }}
    - name: tmp
      emptyDir: {}
    {{- if and .entry.data (or (eq .entry.kind "Deployment") (not $values.persistence.enabled)) }}
    - name: data
      emptyDir:
        sizeLimit: {{ $values.persistence.size | quote }}
    {{- end }}
    {{- if and .entry.providers .root.Values.providers }}
    - name: provider-keys
      projected:
        sources:
          {{- range $name, $secret := .root.Values.providers }}
          - secret:
              name: {{ $secret.existingSecret | quote }}
              items:
                - key: {{ $secret.key | quote }}
                  path: {{ $name | quote }}
          {{- end }}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
