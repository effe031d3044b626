{{- define "pilotlight.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "pilotlight.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "pilotlight.name" . -}}
{{- contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The rest takes (dict "root" $ "component" "agent"). */}}

{{- define "pilotlight.componentName" -}}
{{ include "pilotlight.fullname" .root }}-{{ .component }}
{{- end -}}

{{- define "pilotlight.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pilotlight.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "pilotlight.labels" -}}
{{ include "pilotlight.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "pilotlight.image" -}}
{{- $image := (get .root.Values .component).image -}}
{{- with .root.Values.imageRegistry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{- define "pilotlight.serviceAccountName" -}}
{{- (get .root.Values .component).serviceAccount.name | default (include "pilotlight.componentName" .) -}}
{{- end -}}

{{/* What agents and `helm test` ask: takes the root. */}}
{{- define "pilotlight.collectorAddress" -}}
{{- if .Values.agent.collectorAddress -}}
{{- .Values.agent.collectorAddress -}}
{{- else -}}
{{- include "pilotlight.componentName" (dict "root" . "component" "collector") }}.{{ .Release.Namespace }}.svc:7171
{{- end -}}
{{- end -}}

{{/* Secrets of gRPC's certificates, empty without: take the root. */}}
{{- define "pilotlight.collectorTlsSecret" -}}
{{- if .Values.tls.certManagerIssuer -}}
{{- include "pilotlight.componentName" (dict "root" . "component" "collector") }}-tls
{{- else -}}
{{- .Values.tls.existingSecret -}}
{{- end -}}
{{- end -}}

{{- define "pilotlight.agentTlsSecret" -}}
{{- if .Values.tls.certManagerIssuer -}}
{{- include "pilotlight.componentName" (dict "root" . "component" "agent") }}-tls
{{- else -}}
{{- .Values.tls.agentSecret -}}
{{- end -}}
{{- end -}}

{{- define "pilotlight.httpProbes" -}}
livenessProbe:
  httpGet: {path: /-/healthy, port: http{{ if .web.tls }}, scheme: HTTPS{{ end }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /-/ready, port: http{{ if .web.tls }}, scheme: HTTPS{{ end }}}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}

{{/* Where a pod may run, and what the user adds to it. */}}
{{- define "pilotlight.placement" -}}
{{- $values := get .root.Values .component -}}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
