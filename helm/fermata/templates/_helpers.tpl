{{- define "fermata.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 50 characters, so that "-migrate", "-worker" and the suffixes that Kubernetes adds still fit into 63. */}}
{{- define "fermata.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "fermata.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "fermata.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "fermata.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "fermata.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The hook runs before the release's own ServiceAccount exists, so the Job brings one of its own. */}}
{{- define "fermata.migrationServiceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- printf "%s-migrate" (include "fermata.fullname" .) -}}
{{- else -}}
{{- include "fermata.serviceAccountName" . -}}
{{- end -}}
{{- end -}}

{{/* What selects pods, for ever: a Deployment's selector cannot be changed. Call with (dict "root" $ "component" …). */}}
{{- define "fermata.selectorLabels" -}}
app.kubernetes.io/name: {{ include "fermata.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "fermata.labels" -}}
{{ include "fermata.selectorLabels" . }}
app.kubernetes.io/part-of: fermata
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_") }}
{{- end -}}

{{/* Made before everything else, gone once the migration succeeded; kept for a look when it failed. */}}
{{- define "fermata.hookAnnotations" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{- define "fermata.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* 10001 is the user that the Containerfile makes. */}}
{{- define "fermata.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "fermata.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* What the chart itself settles, by variable or argument: nothing under "settings" may name one. */}}
{{- define "fermata.managedVariables" -}}
FERMATA_DATABASE_URL FERMATA_DATA_DIR FERMATA_KEY_ENCRYPTION_KEY FERMATA_ISSUER FERMATA_AUDIENCE FERMATA_LOCAL_ISSUER FERMATA_HOST FERMATA_PORT FERMATA_WORKERS FERMATA_LOG_DIR FERMATA_SNAPSHOT_DIR FERMATA_SEALED_DECISIONS FERMATA_SEALED_CACHE_DIR FERMATA_EXPORTS FERMATA_EXPORTS_KEEP FERMATA_PUBLIC_URL FERMATA_LOGIN_CLIENT_ID FERMATA_LOGIN_CLIENT_SECRET FERMATA_LOG_SIGNING_KEY FERMATA_PDP_SIGNING_KEY FERMATA_SEND_NOTICES FERMATA_SMTP_HOST FERMATA_SMTP_PORT FERMATA_SMTP_ENCRYPTION FERMATA_SMTP_USERNAME FERMATA_SMTP_PASSWORD FERMATA_MAIL_FROM FERMATA_MAIL_REPLY_TO FERMATA_BOUNCE_ADDRESS
{{- end -}}

{{/* What the API and the worker both need. That there is mail at all the API must know too: it says who can be reached. */}}
{{- define "fermata.env" -}}
{{ include "fermata.migrationEnv" . }}
- name: FERMATA_KEY_ENCRYPTION_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .Values.secrets.keyEncryptionKey.name | quote }}
      key: {{ .Values.secrets.keyEncryptionKey.key | quote }}
- name: FERMATA_ISSUER
  value: {{ .Values.auth.issuer | quote }}
- name: FERMATA_AUDIENCE
  value: {{ .Values.auth.audience | quote }}
{{- with .Values.pages.publicUrl }}
- name: FERMATA_PUBLIC_URL
  value: {{ trimSuffix "/" . | quote }}
{{- end }}
{{- with .Values.mail }}
{{- if .host }}
- name: FERMATA_SMTP_HOST
  value: {{ .host | quote }}
- name: FERMATA_SMTP_PORT
  value: {{ .port | quote }}
- name: FERMATA_SMTP_ENCRYPTION
  value: {{ .encryption | quote }}
- name: FERMATA_MAIL_FROM
  value: {{ .from | quote }}
{{- with .replyTo }}
- name: FERMATA_MAIL_REPLY_TO
  value: {{ . | quote }}
{{- end }}
{{- with .bounceAddress }}
- name: FERMATA_BOUNCE_ADDRESS
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "fermata.apiEnv" -}}
{{ include "fermata.env" . }}
{{- with .Values.pages.loginClientId }}
- name: FERMATA_LOGIN_CLIENT_ID
  value: {{ . | quote }}
{{- end }}
{{- range $variable, $secret := dict "FERMATA_LOGIN_CLIENT_SECRET" .Values.secrets.loginClientSecret "FERMATA_LOG_SIGNING_KEY" .Values.secrets.logSigningKey "FERMATA_PDP_SIGNING_KEY" .Values.secrets.pdpSigningKey }}
{{- if $secret.name }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ $secret.name | quote }}
      key: {{ $secret.key | quote }}
{{- end }}
{{- end }}
- name: FERMATA_WORKERS
  value: {{ .Values.processesPerPod | quote }}
{{- if .Values.log.volume }}
- name: FERMATA_LOG_DIR
  value: /var/lib/fermata-log
{{- end }}
{{- if .Values.snapshots.enabled }}
- name: FERMATA_SNAPSHOT_DIR
  value: /var/lib/fermata/snapshots
{{- end }}
{{- with .Values.sealing.place }}
- name: FERMATA_SEALED_DECISIONS
  value: {{ . | quote }}
- name: FERMATA_SEALED_CACHE_DIR
  value: /var/cache/fermata
{{- end }}
{{- with .Values.exports.place }}
- name: FERMATA_EXPORTS
  value: {{ . | quote }}
- name: FERMATA_EXPORTS_KEEP
  value: {{ $.Values.exports.keep | quote }}
{{- end }}
- name: FERMATA_SEND_NOTICES
  value: {{ not .Values.worker.enabled | quote }}
{{- if not .Values.worker.enabled }}
{{- include "fermata.mailLogin" . }}
{{- end }}
{{- end -}}

{{- define "fermata.workerEnv" -}}
{{ include "fermata.env" . }}
{{- include "fermata.mailLogin" . }}
{{- end -}}

{{/* Only for those who send. */}}
{{- define "fermata.mailLogin" -}}
{{- if and .Values.mail.host .Values.mail.username }}
- name: FERMATA_SMTP_USERNAME
  value: {{ .Values.mail.username | quote }}
- name: FERMATA_SMTP_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .Values.secrets.smtpPassword.name | quote }}
      key: {{ .Values.secrets.smtpPassword.key | quote }}
{{- end }}
{{- end -}}

{{- define "fermata.ingressHost" -}}
{{- .Values.ingress.host | default (urlParse .Values.pages.publicUrl).hostname -}}
{{- end -}}

{{/* A migration changes tables and reads nothing that was said: it does not get the key. */}}
{{- define "fermata.migrationEnv" -}}
{{- range $name, $value := .Values.settings -}}
- name: {{ $name }}
  value: {{ $value | quote }}
{{ end -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.secrets.databaseUrl.name | quote }}
      key: {{ .Values.secrets.databaseUrl.key | quote }}
{{- /* Said aloud, so that no image can switch it on: that issuer signs a token for anybody who asks. */}}
- name: FERMATA_LOCAL_ISSUER
  value: "false"
{{- end -}}

{{- define "fermata.probe" -}}
httpGet:
  path: {{ .path }}
  port: http
{{ toYaml .timing }}
{{- end -}}

{{/* Everything that is missing or contradicts itself, in one message; the schema has judged types and names by now. */}}
{{- define "fermata.validate" -}}
{{- $wrong := list -}}
{{- if not .Values.image.repository -}}
{{- $wrong = append $wrong "image.repository is empty: set it to where you pushed the image that the Containerfile builds" -}}
{{- end -}}
{{- if not .Values.auth.issuer -}}
{{- $wrong = append $wrong "auth.issuer is empty: set it to your OpenID provider's issuer (\"iss\" of its tokens)" -}}
{{- end -}}
{{- if not .Values.auth.audience -}}
{{- $wrong = append $wrong "auth.audience is empty: set it to this service's audience (\"aud\" of its tokens)" -}}
{{- end -}}
{{- if not .Values.secrets.databaseUrl.name -}}
{{- $wrong = append $wrong (printf "secrets.databaseUrl.name is empty: name the existing Secret whose key %s holds the PostgreSQL URL" .Values.secrets.databaseUrl.key) -}}
{{- end -}}
{{- if not .Values.secrets.keyEncryptionKey.name -}}
{{- $wrong = append $wrong (printf "secrets.keyEncryptionKey.name is empty: name the existing Secret whose key %s holds the key encryption key" .Values.secrets.keyEncryptionKey.key) -}}
{{- end -}}
{{- with .Values.mail -}}
{{- if .host -}}
{{- if not .from -}}
{{- $wrong = append $wrong "mail.from is empty: set it to the address that letters come from, or leave mail.host empty" -}}
{{- end -}}
{{- if not $.Values.pages.publicUrl -}}
{{- $wrong = append $wrong "pages.publicUrl is empty: letters carry a link by which artists can say no, and it starts with that" -}}
{{- end -}}
{{- else -}}
{{- range $name := list "from" "replyTo" "bounceAddress" "username" -}}
{{- if get $.Values.mail $name -}}
{{- $wrong = append $wrong (printf "mail.%s is set, but mail.host is empty: no letter would be sent" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .username (not $.Values.secrets.smtpPassword.name) -}}
{{- $wrong = append $wrong (printf "secrets.smtpPassword.name is empty: name the existing Secret whose key %s holds the password of mail.username" $.Values.secrets.smtpPassword.key) -}}
{{- end -}}
{{- if and $.Values.secrets.smtpPassword.name (not .username) -}}
{{- $wrong = append $wrong "mail.username is empty, but secrets.smtpPassword.name is set: say whose password it is" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.pages.loginClientId (not .Values.pages.publicUrl) -}}
{{- $wrong = append $wrong "pages.publicUrl is empty: people who sign in come back to it from your OpenID provider" -}}
{{- end -}}
{{- if and .Values.secrets.loginClientSecret.name (not .Values.pages.loginClientId) -}}
{{- $wrong = append $wrong "pages.loginClientId is empty, but secrets.loginClientSecret.name is set: say whose secret it is" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not (include "fermata.ingressHost" .)) -}}
{{- $wrong = append $wrong "ingress.host is empty, and so is pages.publicUrl: say by which name the service is reached" -}}
{{- end -}}
{{- range $name := splitList " " (include "fermata.managedVariables" .) -}}
{{- if hasKey $.Values.settings $name -}}
{{- $wrong = append $wrong (printf "settings.%s is set: the chart settles that itself" $name) -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := .Values.settings -}}
{{- if or (regexMatch "PASSWORD|SECRET|CREDENTIAL" $name) (regexMatch "://[^/]*@" $value) -}}
{{- $wrong = append $wrong (printf "settings.%s looks like a secret: values are kept in clear in the release" $name) -}}
{{- end -}}
{{- end -}}
{{- if ge (int .Values.preStopSeconds) (int .Values.terminationGracePeriodSeconds) -}}
{{- $wrong = append $wrong "terminationGracePeriodSeconds must be more than preStopSeconds, or pods are killed while they answer" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- $wrong = append $wrong "autoscaling.minReplicas is more than autoscaling.maxReplicas" -}}
{{- end -}}
{{- if .Values.networkPolicy.enabled -}}
{{- if not .Values.networkPolicy.databaseTo -}}
{{- $wrong = append $wrong "networkPolicy.databaseTo is empty: the pods could not reach their database" -}}
{{- end -}}
{{- if not .Values.networkPolicy.issuerTo -}}
{{- $wrong = append $wrong "networkPolicy.issuerTo is empty: the pods could not fetch the keys of their OpenID provider" -}}
{{- end -}}
{{- if and .Values.mail.host (not .Values.networkPolicy.mailTo) -}}
{{- $wrong = append $wrong "networkPolicy.mailTo is empty: no letter could reach the mail server" -}}
{{- end -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n\nfermata cannot be installed with these values:\n  - %s\nThe chart's README.md shows a complete set.\n" (join "\n  - " $wrong)) -}}
{{- end -}}
{{- end -}}
