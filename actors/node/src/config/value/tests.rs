//! What settings take, what they show and what they refuse.

use super::*;

fn read<S: Setting>(mut setting: S, text: &str) -> Result<S, String> {
    setting.read(text).map(|()| setting)
}

#[test]
fn what_is_shown_can_be_read_again() {
    for text in ["FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"] {
        assert_eq!(read(LogLevel::Info, text).unwrap().show(), text);
    }
    assert_eq!(read(LogLevel::Info, "warning").unwrap(), LogLevel::Warn);
    for text in ["/d", "/d,medium:SSD;/e"] {
        assert_eq!(read(StorageRoots::default(), text).unwrap().show(), text);
    }
    for (given, shown) in [("80%", "80%"), ("8G", "8589934592"), ("512mb", "536870912"), ("1024", "1024")] {
        let limit = read(MemLimit::Percent(1), given).unwrap();
        assert_eq!(limit.show(), shown);
        assert_eq!(read(MemLimit::Percent(1), shown).unwrap(), limit);
    }
    for text in ["", "true", "false"] {
        assert_eq!(read(Some(true), text).unwrap().show(), text);
    }
}

#[test]
fn nonsense_is_refused() {
    for text in ["0%", "101%", "%", "G", "-1", "8X", "0", "20000000T", ""] {
        assert!(read(MemLimit::Percent(90), text).is_err(), "{text}");
    }
    for text in ["", ";", "/d,medium:tape", ",medium:SSD", "/d;/d"] {
        assert!(read(StorageRoots::default(), text).is_err(), "{text}");
    }
    for text in ["abc", "70000", "0", "-1", "80.5", ""] {
        assert!(read(1u16, text).is_err(), "{text}");
    }
    assert!(read(true, "yes").is_err() && read(None::<bool>, "1").is_err());
    assert!(read(1u64, "-1").is_err() && read(1u64, "99999999999").is_err() && read(1u32, "x").is_err());
    assert!(read(PathBuf::new(), "").is_err());
    assert!(read(LogLevel::Info, "LOUD").is_err());
}

#[test]
fn what_is_refused_changes_nothing() {
    let (mut number, mut flag) = (5u64, Some(true));
    assert!(number.read("99999999999").is_err() && flag.read("x").is_err());
    assert_eq!((number, flag), (5, Some(true)));
}

#[test]
fn types_of_volumes() {
    assert_eq!(volume_type("local").unwrap(), VolumeType::Local);
    assert_eq!(volume_type("azblob").unwrap(), VolumeType::AzBlob);
    assert_eq!(volume_type("tape").unwrap_err(), "must be one of S3, LOCAL, AZBLOB, ADLS2, GS, HDFS");
}

#[test]
fn legacy_form_of_a_root() {
    let roots = read(StorageRoots::default(), "/data1, SSD; /data2,HDD ;").unwrap();
    assert_eq!(roots.0[0], StorageRoot { path: "/data1".into(), medium: Medium::Ssd });
    assert_eq!(roots.0[1], StorageRoot { path: "/data2".into(), medium: Medium::Hdd });
}

#[test]
fn memory_in_bytes() {
    assert_eq!(MemLimit::Percent(90).bytes(1000), 900);
    assert_eq!(MemLimit::Percent(50).bytes(u64::MAX), u64::MAX / 2);
    assert_eq!(MemLimit::Bytes(8 << 30).bytes(4 << 30), 4 << 30);
}
