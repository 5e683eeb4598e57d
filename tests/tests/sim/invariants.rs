//! What must be true after every step, one rule a file.

mod a_restorable_snapshot_has_all_its_files;
mod a_running_query_has_all_its_files;
mod committed_rows_are_never_lost;
mod every_manifest_that_lives_has_a_row_and_all_its_files;
mod forgotten_files_are_never_named;
mod jobs_are_as_the_model_has_them;
mod lives_are_as_the_model_has_them;
mod numbers_are_leased_once;
mod revision_rises_by_one;

use super::world::World;

type Rule = fn(&World) -> Result<(), String>;

const RULES: &[(&str, Rule)] = &[
    ("revision_rises_by_one", revision_rises_by_one::check),
    ("committed_rows_are_never_lost", committed_rows_are_never_lost::check),
    ("lives_are_as_the_model_has_them", lives_are_as_the_model_has_them::check),
    ("jobs_are_as_the_model_has_them", jobs_are_as_the_model_has_them::check),
    ("a_restorable_snapshot_has_all_its_files", a_restorable_snapshot_has_all_its_files::check),
    (
        "every_manifest_that_lives_has_a_row_and_all_its_files",
        every_manifest_that_lives_has_a_row_and_all_its_files::check,
    ),
    ("a_running_query_has_all_its_files", a_running_query_has_all_its_files::check),
    ("numbers_are_leased_once", numbers_are_leased_once::check),
    ("forgotten_files_are_never_named", forgotten_files_are_never_named::check),
];

pub fn check(world: &World) -> Result<(), String> {
    if let Some(problem) = &world.problem {
        return Err(problem.clone());
    }
    storage_catalog::invariant::check(&world.catalog).map_err(|e| e.to_string())?;
    for (name, rule) in RULES {
        rule(world).map_err(|why| format!("invariant {name} is broken: {why}"))?;
    }
    Ok(())
}
