"""What ``autoassist check-gpu`` runs: fairseq and the plug-in, watched from within."""
