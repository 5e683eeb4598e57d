//! HDFS, in executables that were built with it.

#[cfg(feature = "hdfs")]
pub(super) use with::build;
#[cfg(not(feature = "hdfs"))]
pub(super) use without::build;

#[cfg(not(feature = "hdfs"))]
mod without {
    use object_store::memory::InMemory;
    use object_store::{Error, Result};

    use crate::definition::HdfsOptions;

    /// There is nobody to speak to it.
    pub(in super::super) fn build(service: &str, _: &HdfsOptions) -> Result<InMemory> {
        let source = format!("{service}: this starkeep was built without HDFS (cargo feature `hdfs`)").into();
        Err(Error::NotSupported { source })
    }
}

#[cfg(feature = "hdfs")]
mod with {
    use hdfs_native_object_store::{HdfsObjectStore, HdfsObjectStoreBuilder};
    use object_store::{Error, Result};

    use crate::definition::HdfsOptions;

    /// What tells a client of Hadoop who it is.
    const USER_VARIABLE: &str = "HADOOP_USER_NAME";

    /// A client of the name node, or of the name service that the properties describe.
    pub(in super::super) fn build(service: &str, options: &HdfsOptions) -> Result<HdfsObjectStore> {
        // The client knows one user for the whole process, and takes it from the environment.
        if let Some(user) = &options.user
            && std::env::var(USER_VARIABLE).ok().as_ref() != Some(user)
        {
            let source = format!("username = {user}: start the node with {USER_VARIABLE}={user} in its environment");
            return Err(Error::NotSupported { source: source.into() });
        }
        let configuration = options.configuration.iter().map(|(key, value)| (key.clone(), value.clone()));
        HdfsObjectStoreBuilder::new().with_url(service).with_config(configuration).build()
    }
}
