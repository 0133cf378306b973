"""The names EPCIS 2.0 gives to the members of its documents: reserved, so no extension may redefine them."""

from __future__ import annotations

from ledger.epcis.vocabulary import ALL_VOCABULARIES

_DOCUMENT = """id type EPCISDocument EPCISQueryDocument schemaVersion creationDate instanceIdentifier sender receiver
epcisHeader epcisMasterData masterData vocabularyList vocabulary vocabularyElementList vocabularyElement attributes
attribute children epcisBody eventList event queryResults queryName subscriptionID resultsBody baseURL Collection
member isA"""
_EVENT = """ObjectEvent AggregationEvent TransactionEvent TransformationEvent AssociationEvent eventID eventTime
recordTime eventTimeZoneOffset certificationInfo errorDeclaration declarationTime reason correctiveEventIDs action
bizStep disposition persistentDisposition set unset readPoint bizLocation bizTransactionList bizTransaction
sourceList source destinationList destination ilmd epcList quantityList epcClass quantity uom parentID childEPCs
childQuantityList inputEPCList inputQuantityList outputEPCList outputQuantityList transformationID ADD OBSERVE
DELETE"""
_SENSOR = """sensorElementList sensorElement sensorMetadata sensorReport time startTime endTime deviceID
deviceMetadata rawData dataProcessingMethod bizRules exception microorganism chemicalSubstance
coordinateReferenceSystem value component stringValue booleanValue hexBinaryValue uriValue minValue maxValue
meanValue sDev percRank percValue"""

EPCIS_TERMS = frozenset(f"{_DOCUMENT} {_EVENT} {_SENSOR}".split()).union(
    *(vocabulary.words for vocabulary in ALL_VOCABULARIES)
)
