"""ValidatingAdmissionPolicy: rules in CEL about writes of any kind, without a webhook."""
