//! The storage volume that fe.conf describes.

use std::path::Path;

use storage_catalog::VolumeDraft;
use storage_model::VolumeType;
use storage_model::volume::BUILTIN_STORAGE_VOLUME;
use url::Url;

use super::FrontendConfig;

type Properties = Vec<(&'static str, Option<String>)>;

/// The key that says where the volume is, when it is needed and not there.
pub(super) fn missing_place(config: &FrontendConfig) -> Option<&'static str> {
    let (key, is_given) = match config.cloud_native_storage_type {
        VolumeType::S3 => ("aws_s3_path", config.aws_s3_path.is_some()),
        VolumeType::Local => ("cloud_native_local_path", config.cloud_native_local_path.is_some()),
        VolumeType::AzBlob => ("azure_blob_path", config.azure_blob_path.is_some()),
        VolumeType::Adls2 => ("azure_adls2_path", config.azure_adls2_path.is_some()),
        VolumeType::Gs => ("gcp_gcs_path", config.gcp_gcs_path.is_some()),
        VolumeType::Hdfs => ("cloud_native_hdfs_url", config.cloud_native_hdfs_url.is_some()),
    };
    (!is_given).then_some(key)
}

/// The volume that fe.conf describes; None without `enable_load_volume_from_conf`.
pub fn builtin_volume(config: &FrontendConfig) -> Option<VolumeDraft> {
    if !config.enable_load_volume_from_conf {
        return None;
    }
    let (location, properties) = match config.cloud_native_storage_type {
        VolumeType::S3 => (below(&["s3", "s3a", "s3n"], config.aws_s3_path.as_deref()?), s3_properties(config)),
        VolumeType::Local => (local_location(config.cloud_native_local_path.as_deref()?), Properties::new()),
        VolumeType::AzBlob => (below(&["azblob"], config.azure_blob_path.as_deref()?), blob_properties(config)),
        VolumeType::Adls2 => (below(&["adls2"], config.azure_adls2_path.as_deref()?), lake_properties(config)),
        VolumeType::Gs => (below(&["gs"], config.gcp_gcs_path.as_deref()?), google_properties(config)),
        VolumeType::Hdfs => (config.cloud_native_hdfs_url.clone()?, Properties::new()),
    };
    Some(VolumeDraft {
        name: BUILTIN_STORAGE_VOLUME.to_owned(),
        volume_type: config.cloud_native_storage_type,
        location,
        comment: String::new(),
        enabled: true,
        properties: properties.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect(),
    })
}

/// A path with any of these schemes or none, with the first of them.
fn below(schemes: &[&str], path: &str) -> String {
    let bare = schemes.iter().find_map(|scheme| path.strip_prefix(scheme)?.strip_prefix("://")).unwrap_or(path);
    format!("{}://{}", schemes[0], bare.trim_matches('/'))
}

/// Percent-encoded where it must be; a relative path cannot become a URL and stays as it is, to be refused by its check.
fn local_location(path: &Path) -> String {
    Url::from_file_path(path).map_or_else(|()| format!("file:{}", path.display()), String::from)
}

fn s3_properties(config: &FrontendConfig) -> Properties {
    vec![
        ("aws.s3.region", config.aws_s3_region.clone()),
        ("aws.s3.endpoint", config.aws_s3_endpoint.clone()),
        ("aws.s3.access_key", config.aws_s3_access_key.clone()),
        ("aws.s3.secret_key", config.aws_s3_secret_key.clone()),
        ("aws.s3.use_aws_sdk_default_behavior", Some(config.aws_s3_use_aws_sdk_default_behavior.to_string())),
        ("aws.s3.use_instance_profile", Some(config.aws_s3_use_instance_profile.to_string())),
        ("aws.s3.iam_role_arn", config.aws_s3_iam_role_arn.clone()),
        ("aws.s3.external_id", config.aws_s3_external_id.clone()),
        ("aws.s3.enable_path_style_access", config.aws_s3_enable_path_style_access.map(|flag| flag.to_string())),
    ]
}

fn blob_properties(config: &FrontendConfig) -> Properties {
    vec![
        ("azure.blob.endpoint", config.azure_blob_endpoint.clone()),
        ("azure.blob.shared_key", config.azure_blob_shared_key.clone()),
        ("azure.blob.sas_token", config.azure_blob_sas_token.clone()),
    ]
}

fn lake_properties(config: &FrontendConfig) -> Properties {
    let is_managed = config.azure_adls2_oauth2_use_managed_identity.to_string();
    vec![
        ("azure.adls2.endpoint", config.azure_adls2_endpoint.clone()),
        ("azure.adls2.shared_key", config.azure_adls2_shared_key.clone()),
        ("azure.adls2.sas_token", config.azure_adls2_sas_token.clone()),
        ("azure.adls2.oauth2_use_managed_identity", Some(is_managed)),
        ("azure.adls2.oauth2_tenant_id", config.azure_adls2_oauth2_tenant_id.clone()),
        ("azure.adls2.oauth2_client_id", config.azure_adls2_oauth2_client_id.clone()),
        ("azure.adls2.oauth2_client_secret", config.azure_adls2_oauth2_client_secret.clone()),
    ]
}

fn google_properties(config: &FrontendConfig) -> Properties {
    let is_host = config.gcp_gcs_use_compute_engine_service_account.to_string();
    vec![
        ("gcp.gcs.service_account_email", config.gcp_gcs_service_account_email.clone()),
        ("gcp.gcs.service_account_private_key_id", config.gcp_gcs_service_account_private_key_id.clone()),
        ("gcp.gcs.service_account_private_key", config.gcp_gcs_service_account_private_key.clone()),
        ("gcp.gcs.use_compute_engine_service_account", Some(is_host)),
        ("gcp.gcs.impersonation_service_account", config.gcp_gcs_impersonation_service_account.clone()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_volume_is_where_the_keys_of_its_type_say() {
        let mut config = FrontendConfig {
            enable_load_volume_from_conf: true,
            cloud_native_storage_type: VolumeType::AzBlob,
            azure_blob_endpoint: Some("https://a.blob.core.windows.net".to_owned()),
            azure_adls2_path: Some("adls2://lake/p/".to_owned()),
            gcp_gcs_path: Some("bucket".to_owned()),
            ..FrontendConfig::default()
        };
        assert_eq!(missing_place(&config), Some("azure_blob_path"));
        config.azure_blob_path = Some("container/p".to_owned());
        let blob = builtin_volume(&config).unwrap();
        assert_eq!((missing_place(&config), blob.location.as_str()), (None, "azblob://container/p"));
        assert_eq!(blob.properties.len(), 1);
        config.cloud_native_storage_type = VolumeType::Adls2;
        assert_eq!(builtin_volume(&config).unwrap().location, "adls2://lake/p");
        config.cloud_native_storage_type = VolumeType::Gs;
        assert_eq!(builtin_volume(&config).unwrap().location, "gs://bucket");
        config.cloud_native_storage_type = VolumeType::Hdfs;
        assert_eq!((missing_place(&config), builtin_volume(&config)), (Some("cloud_native_hdfs_url"), None));
    }
}
