"""The look at all results before and after a run; no rule in here."""


def look_at_results():
    """Check what is there, and write down how it was made."""
    for name in (*study.captions.sources, *study.datasets):
        state_in_place(name)  # now, so that the ledger keeps what was read for it
    settings = study.model_dump(mode="json")
    dry = workflow.output_settings.dryrun
    or_exit(look, study.study, settings, all_files(), LEDGER, dry)


if workflow.is_main_process and not locked(LEDGER.root):
    look_at_results()
